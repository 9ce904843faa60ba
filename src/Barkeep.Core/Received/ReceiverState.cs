using System.Text.Json;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// What a receiver last said of itself, for status and check. Whether it still runs is told by its lock
/// (<c>Locations.ReceiverLock</c>); whether it makes progress, by <see cref="LastMessageAt"/> and the positions.
/// </summary>
/// <param name="Reason">Why it waits; null when it does not.</param>
/// <param name="Kind">The kind of that reason.</param>
/// <param name="SystemId">The cluster that it receives: of no other one does it speak.</param>
/// <param name="ServerTimeline">The timeline that the server said it is on, when last asked; a receiver that starts anew goes on saying it.</param>
/// <param name="Timeline">The timeline it streams, while it catches up an earlier one than the server's; null before the first stream.</param>
/// <param name="Written">Received up to here.</param>
/// <param name="Flushed">Durable and acknowledged up to here; invalid while nothing is claimed.</param>
/// <param name="Archived">The end of the newest segment put into the repository; invalid before the first.</param>
/// <param name="ServerEnd">The server's flush position, as it last said.</param>
/// <param name="LastMessageAt">When the server last sent anything.</param>
/// <param name="Since">Since when it has been in this phase, for this reason.</param>
/// <param name="UpdatedAt">When this was written.</param>
public sealed record ReceiverState(
    int ProcessId,
    ReceiverPhase Phase,
    string? Reason,
    ErrorKind? Kind,
    ulong? SystemId,
    TimelineId? ServerTimeline,
    TimelineId? Timeline,
    Lsn Written,
    Lsn Flushed,
    Lsn Archived,
    Lsn ServerEnd,
    DateTimeOffset? LastMessageAt,
    DateTimeOffset Since,
    DateTimeOffset UpdatedAt)
{
    const int Version = 1;

    // Room for the longest reason: the file never grows, so that it can be written on a full disk too.
    const int FileLength = 2048;
    const int MaximumReason = 600;

    // The server's clock and this machine's may differ a little, and what it flushed just then may not have been sent.
    static readonly TimeSpan Doubt = TimeSpan.FromSeconds(5);

    /// <summary>Reads a state file; null when there is none, when it is being written on a full disk just now, or when it is not for this user.</summary>
    /// <exception cref="BarkeepException">NewerRepository.</exception>
    public static ReceiverState? TryRead(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }
        ReceiverStatePayload? payload;
        try
        {
            payload = JsonSerializer.Deserialize(File.ReadAllBytes(path), ReceiverJson.Default.ReceiverStatePayload);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            // Advice only: who asks finds out from the lock whether the receiver runs.
            return null;
        }
        if (payload?.Version > Version)
        {
            throw new BarkeepException(ErrorKind.NewerRepository, $"{path} has version {payload.Version}, and this program knows up to {Version}", "use the newer barkeep");
        }
        return payload?.ToState();
    }

    /// <summary>What the receiver of a server last said of a cluster; null when it said nothing, or spoke of another.</summary>
    /// <exception cref="BarkeepException">NewerRepository.</exception>
    public static ReceiverState? LastOf(Locations locations, ServerName server, ClusterIdentity cluster) => TryRead(locations.ReceiverStateFile(server))?.Of(cluster);

    /// <summary>This, if it speaks of that cluster.</summary>
    public ReceiverState? Of(ClusterIdentity cluster) => SystemId == cluster.SystemId ? this : null;

    /// <summary>Until when nothing has happened on a timeline but what is in its WAL, received up to a position; null when that is not known.</summary>
    public DateTimeOffset? IdleUntil(TimelineId timeline, Lsn received) => Timeline == timeline && ServerEnd.IsValid && received >= ServerEnd ? LastMessageAt - Doubt : null;

    /// <summary>The bytes of the file.</summary>
    internal byte[] ToBytes()
    {
        var reason = Reason is { Length: > MaximumReason } ? Reason[..MaximumReason] : Reason;
        var payload = new ReceiverStatePayload(
            Version, ProcessId, Phase, reason, Kind, SystemId is null ? null : $"{SystemId}", ServerTimeline?.Value, Timeline?.Value, $"{Written}", $"{Flushed}", $"{Archived}", $"{ServerEnd}", LastMessageAt, Since, UpdatedAt);
        var json = JsonSerializer.SerializeToUtf8Bytes(payload, ReceiverJson.Default.ReceiverStatePayload);
        var bytes = new byte[Math.Max(FileLength, json.Length + 1)];
        bytes.AsSpan().Fill((byte)' ');
        json.CopyTo(bytes, 0);
        bytes[^1] = (byte)'\n';
        return bytes;
    }
}
