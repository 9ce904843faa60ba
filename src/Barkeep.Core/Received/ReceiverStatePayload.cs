using System.Globalization;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary><c>state.json</c> as it is written: strings and numbers only.</summary>
sealed record ReceiverStatePayload(
    int Version,
    int ProcessId,
    ReceiverPhase Phase,
    string? Reason,
    ErrorKind? Kind,
    string? SystemId,
    uint? ServerTimeline,
    uint? Timeline,
    string Written,
    string Flushed,
    string Archived,
    string ServerEnd,
    DateTimeOffset? LastMessageAt,
    DateTimeOffset Since,
    DateTimeOffset UpdatedAt)
{
    public ReceiverState ToState() => new(
        ProcessId, Phase, Reason, Kind,
        ulong.TryParse(SystemId, NumberStyles.None, CultureInfo.InvariantCulture, out var systemId) ? systemId : null, Number(ServerTimeline), Number(Timeline),
        Position(Written), Position(Flushed), Position(Archived), Position(ServerEnd), LastMessageAt, Since, UpdatedAt);

    static TimelineId? Number(uint? timeline) => timeline is { } number ? new TimelineId(number) : null;

    static Lsn Position(string? text) => Lsn.TryParse(text, out var position) ? position : Lsn.Invalid;
}
