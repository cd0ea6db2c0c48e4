#!/usr/bin/env bash
# A service in six lines of bash. Start it with the daemon's socket, then: askr send greet.hi
coproc nc -U "${1:-$XDG_RUNTIME_DIR/askr/askrd.sock}"
echo '{"k":"hello","v":1,"name":"greet"}
{"k":"provide","id":1,"service":"greet","commands":[{"name":"hi"}]}' >&"${COPROC[1]}"
while read -r line <&"${COPROC[0]}"; do
  [[ $line =~ ^\{\"k\":\"call\",\"id\":([0-9]+) ]] && echo '{"k":"reply","id":'"${BASH_REMATCH[1]}"',"d":"hello from bash"}' >&"${COPROC[1]}"
done
