"""Every bound of askr, with its unit in its name: the one home of these numbers.

Values a daemon's configuration may change are the defaults of `Limits`; the rest is fixed by
the protocol. Relations between them are asserted at the end.
"""

from msgspec import Struct

KIB = 1024
MIB = 1024 * KIB

HEADER_BYTES = 24
"""Length of the fixed header of a binary frame."""
ID_MAX = 2**53 - 1
"""Highest frame id: the highest integer every JSON reader keeps exact."""
TTL_MS_MAX = 2**32 - 1
"""Longest time a frame can carry (49 days)."""
HOPS_MAX = 7
"""Deepest chain of nested commands."""

NAME_BYTES_MAX = 200
"""Longest address, event subject or pattern."""
KEY_BYTES_MAX = 512
"""Longest state key."""
STAMP_BYTES_MAX = 160
"""Longest sender stamp: `service@instance`, with the time in front of it in events."""
PEER_NAME_CHARS_MAX = 64
SERVICE_NAME_CHARS_MAX = 64
WORKSPACE_NAME_CHARS_MAX = 63

HANDSHAKE_BYTES_MAX = 4 * KIB
"""Largest HELLO; nothing longer is read before WELCOME."""
HTTP_HANDSHAKE_BYTES_MAX = 16 * KIB
"""Largest HTTP request head at a WebSocket door."""
SECTION_BYTES_MAX = 32 * KIB
"""Largest HEAD or OPTIONS section of a frame."""
OVERHEAD_BYTES_MAX = 64 * KIB + 2 * KIB
"""What header, stamp, name, HEAD and OPTIONS may take beside the payload."""
PAYLOAD_BYTES_HARD_MAX = 8 * MIB
"""No configuration raises the payload limit above this."""
SKIP_BYTES_MAX = 64 * MIB
"""An oversize frame is counted away up to this size; beyond it the connection closes."""
BLOCK_BYTES_MAX = 1 * MIB
"""Bytes of one block of a compressed connection, before they are compressed."""
BLOCK_BYTES_MIN = 64
"""Smaller blocks travel as they are."""
DATAGRAM_BYTES_MAX = 1_200
"""Longest datagram an SDK sends beyond this machine: it fits every path in one packet."""
LOCAL_DATAGRAM_BYTES_MAX = 8 * KIB
"""Longest datagram an SDK sends on this machine."""
CHANNELS_MAX = 64
"""Ways for events that a welcome tells."""
PART_BYTES = 64 * KIB
"""Frames above this size may travel as `part` frames."""
PART_GROUPS_MAX = 4
"""Open groups of parts on one connection."""
VALUE_BYTES_MAX = 256 * KIB
"""Largest state value."""
JSON_DEPTH_MAX = 64
"""Deepest JSON nesting accepted where text enters."""
REGISTRY_BYTES_MAX = 256 * KIB
"""Largest PROVIDE or UPDATE body."""
ROSTER_BYTES = 512 * KIB
"""Rows of one `roster` frame together, about."""
COMMANDS_PER_SERVICE_MAX = 1_000
SERVICES_PER_SESSION_MAX = 64
WATCHES_MAX = 100
"""State watches of one session."""

ROUTES_CACHED_MAX = 10_000
"""Addresses remembered per workspace and role."""
COMMANDS_COUNTED_MAX = 10_000
"""Commands per workspace with counters of their own; further ones share one."""
SUBJECTS_CACHED_MAX = 10_000
"""Event subjects remembered per workspace."""
KEYS_CHECKED_MAX = 10_000
"""State keys that are remembered to be well formed."""
ASKED_MAX = 10_000
"""Commands one session may have unanswered, cancelled ones included, before it gets no more."""
WAITING_COMMANDS_MAX = 1_000
"""Commands of one service that wait in the daemon for an instance that can take them."""
WAITING_BYTES_MAX = 64 * MIB
STREAM_ITEMS = 64
"""Items of a stream that its receiver takes before it says more."""
STREAM_BYTES = 256 * KIB
"""Bytes of a stream that its receiver takes before it says more; the last item may go beyond."""
STREAM_ITEM_BYTES = 64 * KIB
"""Pieces in which bytes travel in a stream."""
STREAM_CREDIT_MAX = 2**31
"""Most credit a stream may have at once, items or bytes."""
GATHERED_BYTES_MAX = 64 * MIB
"""Largest payload that is put together from a stream."""
STREAM_IDLE_MS = 60_000
"""Silence after which a stream that has begun is given up."""
SURVEY_MEMBERS_MAX = 1_000
"""Instances that one survey asks."""
KEPT_OUTCOMES_MAX = 10_000
"""Outcomes remembered per workspace for commands with an idempotency key."""
KEPT_BYTES_MAX = 64 * MIB
KEPT_MS = 10 * 60 * 1000
"""How long the outcome of a command with an idempotency key is remembered."""
IDEMPOTENCY_KEY_CHARS_MAX = 200
VERSION_RANGE_CHARS_MAX = 64
"""Longest range of versions; as long as a tag's value in an address."""
TELLING_DEADLINE_MS = 1_000
"""A deadline shorter than this that passes says nothing against an instance."""
RECENT_COMMANDS_MAX = 1_000
"""Commands that `$askr.why` remembers."""
FAILURES_MAX = 5
"""Commands an instance may fail unexpectedly in a row before it is left out for a while."""
EJECTION_MS = 10_000
"""How long it is left out the first time; each further time in a row as much longer."""
EJECTIONS_MAX = 6
RESUME_BYTES_MAX = 512 * KIB
"""Bytes each side keeps of what the other has not confirmed."""
CONFIRM_BYTES = 64 * KIB
"""Bytes received after which a side confirms them."""
LINKS_MAX = 4
"""Connections of one session."""
DEPARTED_SERVICES_MAX = 256
"""Services remembered per workspace after their last instance left."""
DEPARTED_MS = 10 * 60 * 1000
STATE_ENTRIES_MAX = 100_000
"""Entries of one workspace's state."""
STATE_BYTES_MAX = 64 * MIB
"""Keys and values of one workspace's state together."""
STATE_CHANGES_MAX = 10_000
"""Changes of state remembered per workspace, for `since` and `history`."""
STATE_CHANGES_BYTES_MAX = 16 * MIB
"""Keys and values of the changes remembered per workspace together."""
JOBS_MAX = 100_000
"""Jobs of one workspace, those that ended and are kept included."""
JOBS_BYTES_MAX = 256 * MIB
"""What they carry, arguments and results, together."""
JOB_ATTEMPTS = 5
"""How often a job is tried when its command does not say."""
JOB_ATTEMPTS_MAX = 1_000
JOB_BACKOFF_MS = 1_000
"""Pause after the first failed attempt; it doubles with each further one."""
JOB_BACKOFF_MS_MAX = 60_000
"""Longest such pause, unless the command itself begins with a longer one."""
JOB_KEEP_MS = 60 * 60 * 1000
"""How long the result of a job is kept when its command does not say."""
JOB_SHOWN_BYTES_MAX = 64 * KIB
"""Largest value in the event about a job's end, and largest argument in its description."""
JOB_PROGRESS_BYTES_MAX = 4 * KIB
"""Largest news of a running job that are remembered."""
JOBS_LISTED = 100
"""Jobs that `$askr.jobs.list` shows unless asked for another number."""
JOBS_LISTED_MAX = 1_000
QUEUES_MAX = 1_000
"""Queues of one workspace."""
GATED_MAX = 10_000
"""Writes that wait for the store: of state, events of logs, retained events, jobs."""
GATED_BYTES_MAX = 64 * MIB
"""Bytes of events and jobs that wait for the store."""
LOGS_MAX = 100
"""Logs of one workspace."""
LOGS_BYTES_MAX = 1024 * MIB
"""What the logs of one workspace may hold together, by their definitions."""
LOG_PATTERNS_MAX = 64
LOG_AGE_MS = 7 * 24 * 3600 * 1000
"""How long a log keeps an event when its definition does not say."""
LOG_AGE_MS_MAX = 10 * 365 * 24 * 3600 * 1000
LOG_EVENTS = 100_000
"""How many events a log keeps when its definition does not say."""
LOG_EVENTS_MAX = 1_000_000
LOG_BYTES = 64 * MIB
"""How many bytes of events a log keeps when its definition does not say."""
LOG_BYTES_MAX = 256 * MIB
ACK_WAIT_MS = 30_000
"""How long a consumer may take to acknowledge an event when its log does not say."""
ACK_WAIT_MS_MAX = 24 * 3600 * 1000
"""Longest time to acknowledge an event, and longest delay of a `nak`."""
DELIVERIES = 5
"""How often a consumer gets an event when its log does not say, before it is given up."""
DELIVERIES_MAX = 1_000
CONSUMERS_MAX = 1_000
"""Consumers of one log."""
UNACKED_MAX = 1_000
"""Events that one consumer may have and not have acknowledged."""
RECENT_EVENTS_MAX = 10_000
"""Events of up to `RECENT_FRAME_BYTES` that a workspace remembers for `since_ms` and `after`."""
RECENT_FRAME_BYTES = 4 * KIB
"""What a small event is: its header without the stamp, name and payload together."""
RECENT_LARGE_BYTES_MAX = 24 * MIB
"""Larger events remembered per workspace together; with the small ones 64 MiB."""
RECENT_MS = 10 * 60 * 1000
"""How long an event is remembered."""
RETAINED_MAX = 10_000
"""Subjects per workspace whose last event is retained."""
RETAINED_BYTES_MAX = 16 * MIB
"""Retained events of a workspace together."""
COLLECT_MS = 2_000
"""How long answers to an event are waited for when its emitter does not say."""
COLLECT_MS_MAX = 60_000
NODE_ASKR_READ_BYTES_MAX = MIB
"""Longest message of a node-askr peer that is read."""
NODE_ASKR_TEXT_BYTES_MAX = 60 * KIB
"""Longest message written to a node-askr peer: it reads at most 64 KiB at once."""
NODE_ASKR_SPACING_MS = 5
"""Least time between two messages to a node-askr peer, which takes each chunk for one."""
NODE_ASKR_EVENTS_MAX = 1_000
"""Events that wait for one node-askr peer."""
NODE_ASKR_EVENTS_BYTES_MAX = 8 * MIB
NODE_ASKR_ANSWERS_MAX = 256
"""Commands of a node-askr peer without a written answer before no more are read."""
SUBSCRIPTIONS_OUT_MAX = 1_000
"""Events that a node-askr service is asked for on one connection."""
ATTACHMENTS_MAX = 64
"""node-askr services that one daemon dials."""
GAP_SUBJECTS_MAX = 16
"""Subjects a `gap` names one by one."""
FLUSH_BYTES = 4 * MIB
"""Output gathered in one loop turn before it is written without waiting for the turn's end."""
EVENT_QUANTUM_BYTES = 64 * KIB
"""Events written at once to a session that was paused, before urgent frames get a turn."""
BULK_QUANTUM_BYTES = 64 * KIB
"""The same for frames of streams."""


class Limits(Struct, frozen=True, kw_only=True):
    """The bounds a daemon may configure; defaults are the documented ones.

    Attributes:
        handshake_timeout_ms: time from connecting to HELLO.
        payload_bytes_max: largest payload of one frame, at most `PAYLOAD_BYTES_HARD_MAX`.
        subscriptions_max: subscriptions of one session.
        commands_in_flight_max: unanswered commands of one session as a caller.
        outbox_bytes_max: bytes that wait for one session that does not read.
        outbox_frames_max: frames that wait for one session that does not read.
        sessions_per_address_max: sessions from one remote address; loopback and unix exempt.
        heartbeat_after_ms: silence after which the daemon pings.
        unresponsive_after_ms: silence after which an instance gets no new commands.
        gone_after_ms: silence after which the session is closed.
        command_timeout_ms: deadline of a command when neither caller nor service names one.
        stream_idle_ms: silence after which a stream that has begun is given up.
        resume_terminal_ms: how long a terminal that lost its connection may come back.
        resume_service_ms: the same for a service.
    """

    handshake_timeout_ms: int = 5_000
    payload_bytes_max: int = 1 * MIB
    subscriptions_max: int = 1_000
    commands_in_flight_max: int = 1_000
    outbox_bytes_max: int = 8 * MIB
    outbox_frames_max: int = 10_000
    sessions_per_address_max: int = 100
    heartbeat_after_ms: int = 10_000
    unresponsive_after_ms: int = 20_000
    gone_after_ms: int = 60_000
    command_timeout_ms: int = 30_000
    stream_idle_ms: int = STREAM_IDLE_MS
    resume_terminal_ms: int = 10_000
    resume_service_ms: int = 5_000

    @property
    def frame_bytes_max(self) -> int:
        """Largest frame, header included."""
        return self.payload_bytes_max + OVERHEAD_BYTES_MAX


DEFAULT_LIMITS = Limits()

assert HANDSHAKE_BYTES_MAX < PART_BYTES < MIB
assert DEFAULT_LIMITS.payload_bytes_max <= PAYLOAD_BYTES_HARD_MAX < SKIP_BYTES_MAX
assert VALUE_BYTES_MAX <= DEFAULT_LIMITS.payload_bytes_max
assert NAME_BYTES_MAX <= KEY_BYTES_MAX < 2**16
assert STAMP_BYTES_MAX < 2**8
assert (
    HEADER_BYTES + STAMP_BYTES_MAX + KEY_BYTES_MAX + 2 * (2 + SECTION_BYTES_MAX)
    <= OVERHEAD_BYTES_MAX
)
assert (
    DEFAULT_LIMITS.heartbeat_after_ms
    < DEFAULT_LIMITS.unresponsive_after_ms
    < DEFAULT_LIMITS.gone_after_ms
)
