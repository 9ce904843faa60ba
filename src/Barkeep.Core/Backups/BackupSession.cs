using System.Text;
using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>
/// The session between pg_backup_start and pg_backup_stop. The server ends the backup by itself when the session ends, so
/// that nothing is left there whatever happens here. Safe for several threads.
/// </summary>
sealed class BackupSession : IAsyncDisposable
{
    static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(5);

    readonly SqlSession _session;
    readonly int _majorVersion;
    readonly SemaphoreSlim _turn = new(1);
    readonly CancellationTokenSource _ended = new();
    readonly CancellationTokenSource _abandoned = new();
    readonly CancellationTokenSource _lost;
    Task _keepalive = Task.CompletedTask;

    BackupSession(SqlSession session, int majorVersion, CancellationToken cancellationToken)
    {
        _session = session;
        _majorVersion = majorVersion;
        _lost = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <summary>Where the backup began, as pg_backup_start said.</summary>
    public Lsn Begin { get; private set; }

    /// <summary>The server's clock when it had begun: whatever ended later by it is in the WAL from there on.</summary>
    public DateTimeOffset BegunAt { get; private set; }

    /// <summary>Cancelled when the session is lost, and with the token given at the start.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Why the session was lost, if it was.</summary>
    public BarkeepException? Failure { get; private set; }

    /// <summary>Begins a backup; returns when the server has made a checkpoint.</summary>
    /// <param name="session">Ends with the backup.</param>
    public static async Task<BackupSession> StartAsync(SqlSession session, ServerFacts facts, BackupId id, bool fast, CancellationToken cancellationToken)
    {
        var backup = new BackupSession(session, facts.MajorVersion, cancellationToken);
        try
        {
            await session.ExecuteAsync("beginning the backup", $"SET application_name = {SqlSession.Quote($"barkeep backup {id}")}", cancellationToken);
            var call = facts.MajorVersion >= 15 ? $"pg_backup_start({{0}}, {fast})" : $"pg_start_backup({{0}}, {fast}, false)";
            var sql = $"SELECT {call.Replace("{0}", SqlSession.Quote($"Barkeep {id}"), StringComparison.Ordinal)}::text";
            backup.Begin = Lsn.Parse(await backup._session.WaitForScalarAsync<string>("beginning the backup", sql, cancellationToken));
            backup.BegunAt = new(await session.ScalarAsync<DateTime>("asking for the time", "SELECT clock_timestamp()", cancellationToken));
            backup._keepalive = backup.KeepAliveAsync();
            return backup;
        }
        catch
        {
            await backup.DisposeAsync();
            throw;
        }
    }

    /// <summary>The server's last checkpoint, and the timeline that it is on: the one that the backup began with, unless the server has made another since.</summary>
    public Task<(TimelineId Timeline, CheckpointMark Checkpoint)> ReadCheckpointAsync(CancellationToken cancellationToken) => UseAsync(
        async s => (await s.ListAsync("reading the last checkpoint", "SELECT timeline_id, checkpoint_lsn::text, redo_lsn::text, checkpoint_time FROM pg_control_checkpoint()",
            static r => (new TimelineId((uint)r.GetInt32(0)), new CheckpointMark(Lsn.Parse(r.GetString(1)), Lsn.Parse(r.GetString(2)), new DateTimeOffset(r.GetDateTime(3)))),
            cancellationToken))[0], cancellationToken);

    /// <summary>Uses the session for something else meanwhile.</summary>
    public async Task<T> UseAsync<T>(Func<SqlSession, Task<T>> use, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await use(_session);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends the backup; the server switches to a new WAL segment, unless it is a standby.</summary>
    /// <returns>Where the cluster is consistent, and the content of backup_label.</returns>
    public async Task<(Lsn End, byte[] Label)> StopAsync(CancellationToken cancellationToken)
    {
        await _ended.CancelAsync();
        await _keepalive;
        var call = _majorVersion >= 15 ? "pg_backup_stop(false)" : "pg_stop_backup(false, false)";
        var (end, label) = (await UseAsync(s => s.ListAsync("ending the backup", $"SELECT lsn::text, labelfile FROM {call}",
            static r => (r.GetString(0), r.GetString(1)), cancellationToken), cancellationToken))[0];
        return (Lsn.Parse(end), Encoding.UTF8.GetBytes(label));
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await Task.WhenAny(Task.WhenAll(_abandoned.CancelAsync(), _keepalive), Task.Delay(SqlSession.PartingLimit));
        await _session.DisposeAsync();
        if (_keepalive.IsCompleted)
        {
            _ended.Dispose();
            _abandoned.Dispose();
            _lost.Dispose();
            _turn.Dispose();
        }
    }

    // Keeps firewalls from forgetting the idle connection, and notices at once when the server has ended it.
    async Task KeepAliveAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(KeepaliveInterval, _ended.Token);
                await UseAsync(s => s.ScalarAsync<int>("keeping the backup's session open", "SELECT 1", _abandoned.Token), _ended.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The backup has ended.
        }
        catch (BarkeepException e)
        {
            Failure = e;
            await _lost.CancelAsync();
        }
    }
}
