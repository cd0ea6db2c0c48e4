// The README's demo as node-askr's client plays it: plain net, and JSON.parse of every chunk.
const net = require('net')

const port = Number(process.argv[2])
const ticks = []
let waiting = null
let count = 0

const socket = net.connect(port, '127.0.0.1')
socket.on('data', chunk => {
  const message = JSON.parse(chunk)
  if (waiting) {
    const resolve = waiting
    waiting = null
    resolve(message)
  }
  if (message.type) {
    ticks.push(message.payload)
    console.log('EVENT', message.type, typeof message.payload)
    if (ticks.length === 3) finish()
  }
})

const write = message => socket.write(JSON.stringify(message))
const send = (command, data = {}) => new Promise(resolve => {
  waiting = resolve
  write({ workspace: 'askr', mid: 'mid' + ++count, command, data })
})

async function main () {
  const fetched = await send('fetch')
  console.log('FETCH', fetched.mid, fetched.value.type, typeof fetched.value.payload)
  console.log('ERROR', (await send('nothing')).error)
  write({ type: 'subscription', eventType: 'FETCHED_TIME' })
  console.log('START', JSON.stringify(await send('start')))
}

async function finish () {
  console.log('STOP', JSON.stringify(await send('stop')))
  socket.end()
}

main()
