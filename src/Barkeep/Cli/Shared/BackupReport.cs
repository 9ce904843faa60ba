using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>Takes a backup and says how it goes: lines, and on a terminal a bar while files are copied.</summary>
sealed class BackupReport : IProgress<BackupProgress>, IDisposable
{
    static readonly TimeSpan LinePace = TimeSpan.FromSeconds(30);

    readonly Session _session;
    readonly ServerName _server;
    readonly Lock _lock = new();
    BackupStep? _step;
    CopyBar? _bar;
    long _copyStart;
    long _lastLine;

    BackupReport(Session session, ServerName server)
    {
        _session = session;
        _server = server;
    }

    public static async Task<BackupResult> RunAsync(Session session, ServerConfig config, BackupOptions options, CancellationToken cancellationToken)
    {
        var start = session.Time.GetLocalNow();
        using var report = new BackupReport(session, config.Name);
        session.Output.Info($"Starting backup for server {config.Name} in {session.Locations.RepositoryDirectory(config.Name)}");
        var result = await new BackupJob(config, session.Locations, session.Log, session.Time).RunAsync(options, report, cancellationToken);
        report.Finish(result, start);
        return result;
    }

    /// <inheritdoc/>
    public void Report(BackupProgress value)
    {
        lock (_lock)
        {
            if (value.Step == _step)
            {
                Continue(value);
                return;
            }
            _step = value.Step;
            _bar?.Dispose();
            _bar = null;
            Enter(value);
        }
    }

    public void Dispose() => _bar?.Dispose();

    void Enter(BackupProgress value)
    {
        switch (value.Step)
        {
            case BackupStep.Listing:
                _session.Output.Info($"Backup start at LSN: {value.BeginLsn}");
                break;
            case BackupStep.WaitingForChanges:
                _session.Output.Info($"Waiting for the WAL up to {value.BeginLsn}, which says what has changed");
                break;
            case BackupStep.Copying:
                _session.Output.Info($"Starting backup copy for {value.Id}");
                _session.Output.Info(value.Since is { } since
                    ? $"Reading {new ByteSize(value.BytesTotal)} of {new ByteSize(value.ClusterLength)}: what has changed since backup {since}"
                    : $"Reading everything, {new ByteSize(value.ClusterLength)}: {value.WhyEverything}");
                _copyStart = _lastLine = _session.Time.GetTimestamp();
                _bar = _session.Output.IsTerminal ? new CopyBar("Copying") : null;
                break;
            case BackupStep.Finishing:
                _session.Output.Info($"Copy done (time: {Duration(_session.Time.GetElapsedTime(_copyStart))})");
                _session.Output.Info("Finalising the backup.");
                break;
            case BackupStep.WaitingForWal:
                _session.Output.Info("Waiting for the WAL that the backup needs");
                break;
        }
    }

    void Continue(BackupProgress value)
    {
        if (value.Step != BackupStep.Copying || value.BytesTotal == 0)
        {
            return;
        }
        _bar?.Update(value.BytesDone, value.BytesTotal, value.BytesPerSecond);
        if (_bar is null && _session.Time.GetElapsedTime(_lastLine) >= LinePace)
        {
            _lastLine = _session.Time.GetTimestamp();
            _session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"Copied {new ByteSize(value.BytesDone)} of {new ByteSize(value.BytesTotal)} ({100.0 * value.BytesDone / value.BytesTotal:0} %, {new ByteSize((long)value.BytesPerSecond)}/s)"));
        }
    }

    void Finish(BackupResult result, DateTimeOffset start)
    {
        _bar?.Dispose();
        var info = result.Info;
        _session.Output.Info(info.Parent is { } parent
            ? $"Incremental since backup {parent}: {new ByteSize(info.ReadBytes)} read of {new ByteSize(info.ClusterSize)}"
            : $"Full: {new ByteSize(info.ReadBytes)} read, since {info.WhyEverything}");
        _session.Output.Info($"Backup size: {new ByteSize(info.ClusterSize)}. Actual size on disk: {new ByteSize(info.StoredBytes)}");
        _session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"Backup end at LSN: {info.EndLsn} ({info.LastSegment}, {info.WalSegmentSize.OffsetOf(info.EndLsn):X8})"));
        foreach (var warning in result.Warnings)
        {
            _session.Output.Warning(warning);
        }
        var elapsed = _session.Time.GetLocalNow() - start;
        _session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"Backup completed (start time: {start:yyyy-MM-dd HH:mm:ss.ffffff}, elapsed time: {Duration(elapsed)})"));
        if (result.State == BackupState.WaitingForWals)
        {
            _session.Output.Warning($"IMPORTANT: this backup is classified as WAITING_FOR_WALS, meaning that WAL file {result.Missing} has not arrived yet; cron completes the backup when it does");
        }
        _session.Output.Result(_server, new JsonObject
        {
            ["backup_id"] = result.Id.ToString(),
            ["backup_type"] = info.Parent is null ? "full" : "incremental",
            ["parent_backup_id"] = info.Parent,
            ["everything_was_read"] = info.WhyEverything,
            ["read_size_bytes"] = info.ReadBytes,
            ["status"] = result.State == BackupState.Done ? "DONE" : "WAITING_FOR_WALS",
        });
    }

    /// <summary>A stretch of time as people say it.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => "less than one second",
        { TotalMinutes: < 1 } => Plural(time.Seconds, "second"),
        { TotalHours: < 1 } => $"{Plural(time.Minutes, "minute")}, {Plural(time.Seconds, "second")}",
        _ => $"{Plural((int)time.TotalHours, "hour")}, {Plural(time.Minutes, "minute")}, {Plural(time.Seconds, "second")}",
    };

    static string Plural(int count, string unit) => string.Create(CultureInfo.InvariantCulture, $"{count} {unit}{(count == 1 ? "" : "s")}");
}
