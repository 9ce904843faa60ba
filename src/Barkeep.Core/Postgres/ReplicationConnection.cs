using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>
/// A connection in physical replication mode (protocol-replication.html) and its commands. While it streams, one task reads
/// and others may send status updates. Any call that fails leaves it unusable, except an error that the server answers
/// to a command outside streaming.
/// </summary>
public sealed class ReplicationConnection : IAsyncDisposable
{
    const byte XLogData = (byte)'w';
    const byte PrimaryKeepalive = (byte)'k';
    const int StatusLength = 1 + 4 + 1 + (4 * 8) + 1;

    readonly WireConnection _wire;

    ReplicationConnection(WireConnection wire) => _wire = wire;

    /// <summary>The server's version as it prints itself: <c>15.18 (Debian 15.18-1)</c>.</summary>
    public string ServerVersion => _wire.Parameter("server_version") ?? "";

    /// <summary>13 to 18; 0 when the server's version cannot be read.</summary>
    public int MajorVersion
    {
        get
        {
            var digits = ServerVersion.AsSpan();
            var end = digits.IndexOfAnyExceptInRange('0', '9');
            return int.TryParse(end < 0 ? digits : digits[..end], CultureInfo.InvariantCulture, out var major) ? major : 0;
        }
    }

    /// <exception cref="BarkeepException">
    /// ServerUnreachable, AuthenticationFailed, NoReplicationPrivilege, NoFreeWalSender, Configuration.
    /// </exception>
    public static async Task<ReplicationConnection> ConnectAsync(ConnectionTarget target, CancellationToken cancellationToken) =>
        new(await WireStartup.OpenAsync(target, replication: true, cancellationToken));

    public async Task<SystemIdentity> IdentifySystemAsync(CancellationToken cancellationToken)
    {
        var row = await _wire.QueryAsync("IDENTIFY_SYSTEM", "asking who it is", cancellationToken);
        return ulong.TryParse(row.Text("systemid"), NumberStyles.None, CultureInfo.InvariantCulture, out var system)
            && TimelineId.TryParse(row.Text("timeline"), out var timeline)
            && Lsn.TryParse(row.Text("xlogpos"), out var flushed)
                ? new(system, timeline, flushed)
                : throw WireReader.Malformed("the answer to IDENTIFY_SYSTEM");
    }

    /// <summary>A setting's value as SHOW prints it: <c>16MB</c> for wal_segment_size.</summary>
    public async Task<string> ShowAsync(string setting, CancellationToken cancellationToken)
    {
        var row = await _wire.QueryAsync($"SHOW {setting}", $"reading {setting}", cancellationToken);
        return row.Text(setting) ?? "";
    }

    /// <summary>The cluster's wal_segment_size, which SHOW prints in MB or GB.</summary>
    public async Task<SegmentSize> ShowSegmentSizeAsync(CancellationToken cancellationToken)
    {
        var text = await ShowAsync("wal_segment_size", cancellationToken);
        var unit = text.EndsWith("GB", StringComparison.Ordinal) ? 1 << 30 : 1 << 20;
        return text.Length > 2 && text.EndsWith('B')
            && int.TryParse(text.AsSpan(0, text.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= 1024
                ? new(checked(count * unit))
                : throw WireReader.Malformed($"a wal_segment_size of {text}");
    }

    /// <summary>Makes a physical slot that keeps WAL from the last checkpoint's redo position on, at once.</summary>
    /// <exception cref="BarkeepException">ServerError when it exists; NoFreeWalSender when max_replication_slots is used up.</exception>
    public Task CreateSlotAsync(string slot, CancellationToken cancellationToken) =>
        _wire.QueryAsync($"CREATE_REPLICATION_SLOT {Quote(slot)} PHYSICAL RESERVE_WAL", $"creating the replication slot {slot}", cancellationToken);

    /// <summary>Removes a slot.</summary>
    /// <exception cref="BarkeepException">SlotMissing; SlotInUse.</exception>
    public Task DropSlotAsync(string slot, CancellationToken cancellationToken) =>
        _wire.QueryAsync($"DROP_REPLICATION_SLOT {Quote(slot)}", $"dropping the replication slot {slot}", cancellationToken);

    /// <summary>Where a slot stands (PostgreSQL 15 or later has the command).</summary>
    /// <returns>Null when there is no such slot.</returns>
    public async Task<SlotPosition?> ReadSlotAsync(string slot, CancellationToken cancellationToken)
    {
        var row = await _wire.QueryAsync($"READ_REPLICATION_SLOT {Quote(slot)}", $"reading the replication slot {slot}", cancellationToken);
        if (row.Text("slot_type") is null)
        {
            return null;
        }
        _ = Lsn.TryParse(row.Text("restart_lsn"), out var restart);
        return new(restart, TimelineId.TryParse(row.Text("restart_tli"), out var timeline) ? timeline : null);
    }

    /// <summary>The content of a timeline's history file on the server.</summary>
    /// <returns>Null when the server does not have it.</returns>
    public async Task<byte[]?> TimelineHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            var row = await _wire.QueryAsync($"TIMELINE_HISTORY {timeline}", $"reading {timeline.HistoryFileName}", cancellationToken);
            return row.Bytes("content");
        }
        catch (BarkeepException e) when (e.InnerException is ServerErrorException { Error.SqlState: ServerError.UndefinedFile })
        {
            return null;
        }
    }

    /// <summary>Starts to stream from a position. A slot keeps the server from removing what is not yet reported flushed.</summary>
    /// <returns>Null when streaming has begun; the timeline's end when the position is exactly there.</returns>
    /// <exception cref="BarkeepException">
    /// SlotInUse, SlotMissing; ServerError otherwise. That the server has removed the WAL shows at the first <see cref="ReadAsync"/>: WalGap.
    /// </exception>
    public async Task<TimelineEnd?> StartAsync(string? slot, Lsn position, TimelineId timeline, CancellationToken cancellationToken)
    {
        var doing = $"streaming from {position} on timeline {timeline}";
        using var deadline = new WireDeadline(_wire.Target.CommandTimeout, cancellationToken);
        try
        {
            await _wire.SendQueryAsync($"START_REPLICATION {(slot is null ? "" : $"SLOT {Quote(slot)} ")}PHYSICAL {position} TIMELINE {timeline}", deadline.Token);
            var first = await _wire.ReadAsync(deadline.Token);
            return first.Type == WireMessage.CopyBothResponse
                ? null
                : End(await _wire.ReadResultAsync(first, doing, deadline.Token))
                    ?? throw WireReader.Malformed("the answer to START_REPLICATION");
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"{_wire.Target}: {doing}: no answer", ConnectFailure.WhenSilent);
        }
    }

    /// <summary>The next message of the stream. Waits as long as the server is silent: see <see cref="Abort"/>.</summary>
    /// <exception cref="BarkeepException">ConnectionLost; WalGap and others as the server ends the stream with an error.</exception>
    public ValueTask<WalMessage> ReadAsync(CancellationToken cancellationToken)
    {
        var reading = _wire.ReadAsync(cancellationToken);
        return reading.IsCompletedSuccessfully ? ValueTask.FromResult(Interpret(reading.Result)) : AwaitAsync(reading);
    }

    /// <summary>The next message, within a time.</summary>
    /// <param name="asked">What was asked for: a position, a segment.</param>
    /// <exception cref="BarkeepException">ConnectionLost: none has come. As <see cref="ReadAsync"/>.</exception>
    internal async ValueTask<WalMessage> ReadInTimeAsync(WireDeadline deadline, string asked)
    {
        try
        {
            return await ReadAsync(deadline.Token);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"{_wire.Target}: no answer when asked for WAL of {asked}", ConnectFailure.WhenSilent);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    async ValueTask<WalMessage> AwaitAsync(ValueTask<WireMessage> reading) => Interpret(await reading);

    WalMessage Interpret(WireMessage message)
    {
        switch (message.Type)
        {
            case WireMessage.CopyData:
                var reader = message.Read();
                switch (reader.Byte())
                {
                    case XLogData:
                        var (start, end) = (new Lsn(reader.UInt64()), new Lsn(reader.UInt64()));
                        _ = reader.UInt64();
                        return new(WalMessageKind.Data, start, end, false, message.Body[^reader.Left..]);
                    case PrimaryKeepalive:
                        var position = new Lsn(reader.UInt64());
                        _ = reader.UInt64();
                        return new(WalMessageKind.Keepalive, default, position, reader.Byte() != 0, default);
                    default:
                        throw WireReader.Malformed("an unknown kind of WAL message");
                }
            case WireMessage.CopyDone:
                return new(WalMessageKind.End, default, default, false, default);
            case WireMessage.ErrorResponse:
                throw ServerError.Read(message.Read()).WhileRunning(_wire.Target, "streaming");
            case WireMessage.CommandComplete:
                // What a server says last when it is shut down (walsender.c, WalSndDone).
                throw new BarkeepException(ErrorKind.ConnectionLost, $"{_wire.Target}: the server has ended the stream, since it is being stopped");
            default:
                throw WireReader.Malformed($"message '{(char)message.Type}' in a WAL stream");
        }
    }

    /// <summary>
    /// Tells the server how far we are. A commit that waits for this client returns when <paramref name="flushed"/> has
    /// reached it; nothing here applies WAL, so no position is ever reported applied.
    /// </summary>
    public async ValueTask SendStatusAsync(Lsn written, Lsn flushed, bool requestReply, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var message = new byte[StatusLength];
        message[0] = WireMessage.CopyData;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), StatusLength - 1);
        message[5] = (byte)'r';
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(6), written.Value);
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(14), flushed.Value);
        BinaryPrimitives.WriteInt64BigEndian(message.AsSpan(30), TimestampTz.From(now).Microseconds);
        message[38] = requestReply ? (byte)1 : (byte)0;
        await _wire.SendAsync(message, cancellationToken);
    }

    /// <summary>Ends our side of the stream. The server answers by ending its own: <see cref="ReadAsync"/> returns End, soon.</summary>
    public ValueTask SendDoneAsync(CancellationToken cancellationToken) => _wire.SendAsync(WireMessage.CopyDone, default, cancellationToken);

    /// <summary>
    /// After End was read and answered: the rest of the server's answer. The connection is then ready for the next command.
    /// </summary>
    /// <returns>Where the timeline ended; null when the stream ended because we asked for it.</returns>
    public async Task<TimelineEnd?> FinishAsync(CancellationToken cancellationToken)
    {
        using var deadline = new WireDeadline(_wire.Target.CommandTimeout, cancellationToken);
        try
        {
            return End(await _wire.ReadResultAsync(null, "ending the stream", deadline.Token));
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"{_wire.Target}: no answer to the stream's end", ConnectFailure.WhenSilent);
        }
    }

    /// <summary>Breaks the connection from another thread; what waits on it fails with ConnectionLost and this reason.</summary>
    public void Abort(string reason) => _wire.Abort(reason);

    public ValueTask DisposeAsync() => _wire.DisposeAsync();

    static TimelineEnd? End(WireResult result)
    {
        if (result.Rows.Count == 0)
        {
            return null;
        }
        return TimelineId.TryParse(result.Text("next_tli"), out var next) && Lsn.TryParse(result.Text("next_tli_startpos"), out var at)
            ? new(next, at)
            : throw WireReader.Malformed("the end of a timeline");
    }

    /// <summary>slot.c, ReplicationSlotValidateName; the replication grammar has no way to quote anything else.</summary>
    static string Quote(string slot) =>
        slot.Length is > 0 and < 64 && slot.AsSpan().IndexOfAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789_") < 0
            ? $"\"{slot}\""
            : throw new BarkeepException(ErrorKind.Configuration, $"\"{slot}\" cannot be a slot's name", "use a-z, 0-9 and _, at most 63");
}
