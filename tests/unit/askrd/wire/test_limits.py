"""Holds the bounds, and that the protocol's page names the same."""

import re

from askrd.wire import limits
from askrd.wire.limits import DEFAULT_LIMITS, KIB, MIB, Limits
from tests.unit.askrd.wire.page import section, tables

OF_THE_CODE = {
    "hello": [limits.HANDSHAKE_BYTES_MAX, DEFAULT_LIMITS.handshake_timeout_ms],
    "payload · frame": [DEFAULT_LIMITS.payload_bytes_max, limits.OVERHEAD_BYTES_MAX],
    "address, subject, pattern · key": [limits.NAME_BYTES_MAX, limits.KEY_BYTES_MAX],
    "HEAD, OPTIONS": [limits.SECTION_BYTES_MAX],
    "provide body · commands in it · services per session": [
        limits.REGISTRY_BYTES_MAX,
        limits.COMMANDS_PER_SERVICE_MAX,
        limits.SERVICES_PER_SESSION_MAX,
    ],
    "datagram of an SDK: on this machine · beyond it · channels told": [
        limits.LOCAL_DATAGRAM_BYTES_MAX,
        limits.DATAGRAM_BYTES_MAX,
        limits.CHANNELS_MAX,
    ],
    "state value": [limits.VALUE_BYTES_MAX],
    "entries of a workspace · keys and values together": [
        limits.STATE_ENTRIES_MAX,
        limits.STATE_BYTES_MAX,
    ],
    "changes remembered per workspace · keys and values together": [
        limits.STATE_CHANGES_MAX,
        limits.STATE_CHANGES_BYTES_MAX,
    ],
    "events remembered per workspace, and for how long: up to 4 KiB · larger ones": [
        limits.RECENT_EVENTS_MAX,
        limits.RECENT_LARGE_BYTES_MAX,
        limits.RECENT_MS,
    ],
    "retained events of a workspace · together": [limits.RETAINED_MAX, limits.RETAINED_BYTES_MAX],
    "answers to an event are waited for: unless said · at most": [
        limits.COLLECT_MS,
        limits.COLLECT_MS_MAX,
    ],
    "writes that wait for the store · bytes of events and jobs among them": [
        limits.GATED_MAX,
        limits.GATED_BYTES_MAX,
    ],
    "logs of a workspace · what they may hold together": [limits.LOGS_MAX, limits.LOGS_BYTES_MAX],
    "patterns of a log · its events, unless said · at most": [
        limits.LOG_PATTERNS_MAX,
        limits.LOG_EVENTS,
        limits.LOG_EVENTS_MAX,
    ],
    "bytes of a log, unless said · at most": [limits.LOG_BYTES, limits.LOG_BYTES_MAX],
    "age of its events, unless said, ms · at most, ms": [limits.LOG_AGE_MS, limits.LOG_AGE_MS_MAX],
    "time to acknowledge, unless said · at most, also of a delay, ms": [
        limits.ACK_WAIT_MS,
        limits.ACK_WAIT_MS_MAX,
    ],
    "deliveries, unless said · at most": [limits.DELIVERIES, limits.DELIVERIES_MAX],
    "consumers of a log · unacknowledged events of one": [
        limits.CONSUMERS_MAX,
        limits.UNACKED_MAX,
    ],
    "time to live of an entry, ms": [limits.TTL_MS_MAX],
    "per session: subscriptions · watches · commands in flight": [
        DEFAULT_LIMITS.subscriptions_max,
        limits.WATCHES_MAX,
        DEFAULT_LIMITS.commands_in_flight_max,
    ],
    "unanswered commands at one peer, cancelled ones included": [limits.ASKED_MAX],
    "waiting for one session": [
        DEFAULT_LIMITS.outbox_bytes_max,
        DEFAULT_LIMITS.outbox_frames_max,
    ],
    "commands waiting for one service": [
        limits.WAITING_COMMANDS_MAX,
        limits.WAITING_BYTES_MAX,
    ],
    "stream, before credit: items · bytes": [limits.STREAM_ITEMS, limits.STREAM_BYTES],
    "credit at once, items or bytes": [limits.STREAM_CREDIT_MAX],
    "item of bytes, by custom": [limits.STREAM_ITEM_BYTES],
    "block of a compressed connection": [limits.BLOCK_BYTES_MAX],
    "payload put together from pieces": [limits.GATHERED_BYTES_MAX],
    "silence of a stream that has begun": [DEFAULT_LIMITS.stream_idle_ms],
    "members of a survey": [limits.SURVEY_MEMBERS_MAX],
    "idempotency key · outcomes kept per workspace, and for how long": [
        limits.IDEMPOTENCY_KEY_CHARS_MAX,
        limits.KEPT_OUTCOMES_MAX,
        limits.KEPT_BYTES_MAX,
        limits.KEPT_MS,
    ],
    "jobs of a workspace, those that ended included · together · queues": [
        limits.JOBS_MAX,
        limits.JOBS_BYTES_MAX,
        limits.QUEUES_MAX,
    ],
    "attempts of a job, unless said · at most": [limits.JOB_ATTEMPTS, limits.JOB_ATTEMPTS_MAX],
    "pause before the second attempt, unless said · longest": [
        limits.JOB_BACKOFF_MS,
        limits.JOB_BACKOFF_MS_MAX,
    ],
    "results of jobs are kept, unless said": [limits.JOB_KEEP_MS],
    "value in the news of a job's end · `progress` of one that is shown": [
        limits.JOB_SHOWN_BYTES_MAX,
        limits.JOB_PROGRESS_BYTES_MAX,
    ],
    "jobs listed, unless said · at most": [limits.JOBS_LISTED, limits.JOBS_LISTED_MAX],
    "range of versions": [limits.VERSION_RANGE_CHARS_MAX],
    "commands that `$askr.why` remembers": [limits.RECENT_COMMANDS_MAX],
    "failures in a row before an instance rests · first rest · longest rest": [
        limits.FAILURES_MAX,
        limits.EJECTION_MS,
        limits.EJECTION_MS * limits.EJECTIONS_MAX,
    ],
    "kept for coming back, each way · confirmed about every": [
        limits.RESUME_BYTES_MAX,
        limits.CONFIRM_BYTES,
    ],
    "away at most: terminal · service": [
        DEFAULT_LIMITS.resume_terminal_ms,
        DEFAULT_LIMITS.resume_service_ms,
    ],
    "connections of a session": [limits.LINKS_MAX],
    "JSON depth in text": [limits.JSON_DEPTH_MAX],
    "node-askr: message read · written": [
        limits.NODE_ASKR_READ_BYTES_MAX,
        limits.NODE_ASKR_TEXT_BYTES_MAX,
    ],
    "node-askr: time between messages, ms": [limits.NODE_ASKR_SPACING_MS],
    "node-askr: events that wait · their bytes · answers missing": [
        limits.NODE_ASKR_EVENTS_MAX,
        limits.NODE_ASKR_EVENTS_BYTES_MAX,
        limits.NODE_ASKR_ANSWERS_MAX,
    ],
    "events asked of an attached service · attached services": [
        limits.SUBSCRIPTIONS_OUT_MAX,
        limits.ATTACHMENTS_MAX,
    ],
    "sessions per remote address (not loopback or unix)": [DEFAULT_LIMITS.sessions_per_address_max],
}

UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "s": 1000}


def numbers(text: str) -> list[int]:
    """Every number of a cell in bytes, milliseconds or as it is."""
    found = re.findall(r"(\d+(?: \d{3})*)(?: (KiB|MiB|B|s)\b)?", text)
    return [int(digits.replace(" ", "")) * UNITS.get(unit, 1) for digits, unit in found]


def test_the_page_names_every_limit_of_the_code() -> None:
    (table,) = tables("12")
    page = {name: numbers(value.partition("(")[0]) for name, value in table}
    assert page == OF_THE_CODE


def test_the_page_says_how_far_the_payload_may_be_configured() -> None:
    assert f"up to {limits.PAYLOAD_BYTES_HARD_MAX // MIB} MiB" in section("12")


def test_the_page_says_when_silence_ends_a_session() -> None:
    text = section("5")
    assert f"After {DEFAULT_LIMITS.heartbeat_after_ms // 1000} s without a byte" in text
    assert f"After {DEFAULT_LIMITS.unresponsive_after_ms // 1000} s of silence" in text
    assert f"after {DEFAULT_LIMITS.gone_after_ms // 1000} s\nthe session is closed" in text


def test_the_page_says_the_other_bounds_where_they_apply() -> None:
    assert f"else {DEFAULT_LIMITS.command_timeout_ms // 1000} s" in section("6")
    assert f"the daemon's ({DEFAULT_LIMITS.command_timeout_ms // 1000} s)" in section("4.1")
    assert f"depth of nested commands; {limits.HOPS_MAX + 1} or more" in section("4.1")
    assert f"At most {limits.PART_GROUPS_MAX} groups" in section("4.1")
    assert f"above {limits.SKIP_BYTES_MAX // MIB} MiB the connection closes" in section("4.1")
    assert f"up to {limits.GAP_SUBJECTS_MAX} subjects" in section("7")
    assert limits.ID_MAX == 2**53 - 1


def test_the_page_says_the_bounds_of_commands_where_they_apply() -> None:
    window = f"{limits.STREAM_ITEMS} items and {limits.STREAM_BYTES // KIB} KiB, unsaid"
    idle = f"{DEFAULT_LIMITS.stream_idle_ms // 1000} s of silence"
    assert window in section("6.4")
    assert idle in section("6.4")
    assert f"at most {limits.GATHERED_BYTES_MAX // MIB} MiB: beyond" in section("6.5")
    rest_s, most = limits.EJECTION_MS // 1000, limits.EJECTIONS_MAX
    rests = f"for {rest_s} s, next time {2 * rest_s} s, up to {most * rest_s} s"
    assert f"failed {limits.FAILURES_MAX} commands in a row" in section("6.6")
    assert rests in section("6.6")
    assert f"again for {limits.KEPT_MS // 1000} s, with KEPT" in section("6.7")


def test_the_page_says_the_bounds_of_coming_back_where_they_apply() -> None:
    terminal, service = DEFAULT_LIMITS.resume_terminal_ms, DEFAULT_LIMITS.resume_service_ms
    windows = f"({terminal // 1000} s for a terminal, {service // 1000} s for a service"
    assert windows in section("5.1")
    assert f"confirmed, at most {limits.RESUME_BYTES_MAX // KIB} KiB" in section("5.1")
    assert f"About every {limits.CONFIRM_BYTES // KIB} KiB received" in section("5.1")
    assert f"{limits.LINKS_MAX} in all" in section("5.2")


def test_a_frame_has_room_for_the_largest_of_everything() -> None:
    small = Limits(payload_bytes_max=10)
    assert small.frame_bytes_max == 10 + limits.OVERHEAD_BYTES_MAX
    sections = 2 * (2 + limits.SECTION_BYTES_MAX)
    largest = limits.HEADER_BYTES + limits.STAMP_BYTES_MAX + limits.KEY_BYTES_MAX + sections
    assert largest <= limits.OVERHEAD_BYTES_MAX
