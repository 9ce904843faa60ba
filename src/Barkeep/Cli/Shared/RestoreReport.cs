using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;

namespace Barkeep.Cli.Shared;

/// <summary>Restores, and says how it goes: lines, and on a terminal a bar.</summary>
sealed class RestoreReport : IProgress<RestoreProgress>, IDisposable
{
    static readonly TimeSpan LinePace = TimeSpan.FromSeconds(30);

    /// <summary>What is said of a step: when it begins, beside the bar if it has one, and of how far it is.</summary>
    static readonly Dictionary<RestoreStep, (string Begins, string? Bar, string Done)> Words = new()
    {
        [RestoreStep.Checking] = ("Checking the WAL that the restored server will get.", "Checking", "Checked"),
        [RestoreStep.Comparing] = ("Comparing the files that are there.", "Comparing", "Compared"),
        [RestoreStep.Wal] = ("Copying required WAL segments.", "Restoring", "Restored"),
        [RestoreStep.ArchiveStatus] = ("Generating archive status files", null, "Restored"),
        [RestoreStep.DataFiles] = ("Copying the base backup.", "Restoring", "Restored"),
        [RestoreStep.Settings] = ("Identify dangerous settings in destination directory.", null, "Restored"),
        [RestoreStep.Configuration] = ("Generating recovery configuration", null, "Restored"),
        [RestoreStep.Flushing] = ("Flushing to disk.", "Restoring", "Restored"),
    };

    readonly Session _session;
    readonly Lock _lock = new();
    RestoreStep? _step;
    CopyBar? _bar;
    long _lastLine;

    RestoreReport(Session session) => _session = session;

    public static async Task RunAsync(Session session, RestoreOptions options, bool isDryRun, CancellationToken cancellationToken)
    {
        if (isDryRun)
        {
            Tell(session.Output, await RestoreJob.PlanAsync(options, cancellationToken));
            return;
        }
        var start = session.Time.GetLocalNow();
        using var report = new RestoreReport(session);
        options = options with { OnPlanned = plan => report.Begin(options.Server, plan) };
        var result = await new RecoveryHooks(session, options).RunAsync(() => RestoreJob.RunAsync(options, report, cancellationToken), cancellationToken);
        report.Finish(result, start);
    }

    void Begin(ServerName server, RestorePlan plan)
    {
        var output = _session.Output;
        output.Info($"Starting local restore for server {server} using backup {plan.Backup}");
        output.Info($"Destination directory: {plan.Target}");
        if (plan.Recovery.Target is { } target)
        {
            output.Info($"Doing PITR. Recovery target {target.Kind.ToString().ToLowerInvariant()}: '{target.Value}'");
        }
        foreach (var placement in plan.Tablespaces)
        {
            output.Info($"\t{placement.Tablespace.Oid}, {placement.Tablespace.Name}, {(placement.IsInside ? Path.Combine(plan.Target, placement.Directory) : placement.Directory)}");
        }
    }

    /// <inheritdoc/>
    public void Report(RestoreProgress value)
    {
        var (begins, bar, done) = Words[value.Step];
        lock (_lock)
        {
            if (value.Step != _step)
            {
                _step = value.Step;
                _lastLine = _session.Time.GetTimestamp();
                Dispose();
                _session.Output.Info(begins);
                _bar = _session.Output.IsTerminal && bar is not null ? new CopyBar(bar) : null;
            }
            _bar?.Update(value.DoneBytes, value.TotalBytes, value.BytesPerSecond);
            if (_bar is null && value.TotalBytes > 0 && _session.Time.GetElapsedTime(_lastLine) >= LinePace)
            {
                _lastLine = _session.Time.GetTimestamp();
                _session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"{done} {new ByteSize(value.DoneBytes)} of {new ByteSize(value.TotalBytes)} ({100.0 * value.DoneBytes / value.TotalBytes:0} %, {new ByteSize((long)value.BytesPerSecond)}/s{(value.Left is { } left ? $", {BackupReport.Duration(left)} left" : "")})"));
            }
        }
    }

    public void Dispose()
    {
        _bar?.Dispose();
        _bar = null;
    }

    void Finish(RestoreResult result, DateTimeOffset start)
    {
        Dispose();
        var output = _session.Output;
        if (result.Disarmed.Count > 0 && !output.IsJson)
        {
            output.Info(string.Join('\n', (string[])["", "IMPORTANT", "These settings have been modified to prevent data losses", "", .. result.Disarmed.Select(static d => d.ToString()), ""]));
        }
        foreach (var warning in result.Warnings)
        {
            output.Warning(warning);
        }
        if (result.Delta is { } delta)
        {
            output.Info($"Compared with what was there: {delta.ReadFiles} files read ({new ByteSize(delta.ReadBytes)}), {delta.SkippedFiles} not touched since the last restore ({new ByteSize(delta.SkippedBytes)}), {new ByteSize(delta.PageBytes)} of pages written, {delta.RemovedCount} files and directories removed");
        }
        output.Info($"Restored backup {result.Plan.Backup} with WAL up to {result.ReachedLsn} on timeline {result.Timeline}: {new ByteSize(result.Bytes)} in {result.FileCount} files");
        foreach (var line in result.Plan.RecoveryLines())
        {
            output.Info(line);
        }
        output.Info(string.Create(CultureInfo.InvariantCulture, $"Restore operation completed (start time: {start:yyyy-MM-dd HH:mm:ss.ffffffzzz}, elapsed time: {BackupReport.Duration(result.Elapsed)})"));
        output.Info("Once it has taken the original's place, give back what it needs of the settings at the end of postgresql.auto.conf.");
        output.Info("Your PostgreSQL server has been successfully prepared for recovery!");
        AddJson(output, result, start);
    }

    static void Tell(Output output, RestorePlan plan)
    {
        foreach (var line in plan.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            output.Line(line);
        }
        output.Result("backup_id", plan.Backup.ToString());
        output.Result("destination", plan.Target);
        output.Result("reached_lsn", plan.Reached.ToString());
        AddTarget(output, plan);
        output.Result("files", plan.FileCount);
        output.Result("data_bytes", plan.DataBytes);
        output.Result("wal_bytes", plan.WalBytes);
        output.Result("warnings", new JsonArray([.. plan.Warnings.Select(static w => (JsonNode)w)]));
        if (plan.Delta is { } delta)
        {
            output.Result("delta", new JsonObject
            {
                ["kept_files"] = delta.KeptFiles,
                ["kept_bytes"] = delta.KeptBytes,
                ["has_record"] = delta.HasRecord,
                ["removed_count"] = delta.RemovedCount,
                ["removed"] = new JsonArray([.. delta.Removed.Select(static r => (JsonNode)r)]),
            });
        }
    }

    static void AddJson(Output output, RestoreResult result, DateTimeOffset start)
    {
        output.Result("changes", new JsonArray([.. result.Disarmed.Select(static s => (JsonNode)s.ToString())]));
        output.Result("changes_count", result.Disarmed.Count);
        output.Result("warnings", new JsonArray([.. result.Warnings.Select(static w => (JsonNode)w)]));
        output.Result("warnings_count", result.Warnings.Count);
        output.Result("missing_files", new JsonArray([.. result.Plan.Info.UnreadConfigFiles.Select(static f => (JsonNode)f)]));
        output.Result("backup_id", result.Plan.Backup.ToString());
        output.Result("reached_lsn", result.ReachedLsn.ToString());
        AddTarget(output, result.Plan);
        if (result.Delta is { } delta)
        {
            output.Result("delta", new JsonObject
            {
                ["skipped_files"] = delta.SkippedFiles,
                ["skipped_bytes"] = delta.SkippedBytes,
                ["read_files"] = delta.ReadFiles,
                ["read_bytes"] = delta.ReadBytes,
                ["written_page_bytes"] = delta.PageBytes,
                ["removed_count"] = delta.RemovedCount,
            });
        }
        output.Result("recovery_start_time", start.ToString("yyyy-MM-dd HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture));
        output.Result("recovery_start_time_timestamp", start.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        output.Result("recovery_elapsed_time", BackupReport.Duration(result.Elapsed));
        output.Result("recovery_elapsed_time_seconds", result.Elapsed.TotalSeconds);
    }

    static void AddTarget(Output output, RestorePlan plan)
    {
        if (plan is not { Stop: { } stop, Recovery.Target: { } target })
        {
            return;
        }
        output.Result("target", new JsonObject
        {
            ["kind"] = target.Kind.ToString().ToLowerInvariant(),
            ["value"] = target.Value,
            ["inclusive"] = target.IsInclusive,
            ["action"] = plan.Recovery.Action.ToString().ToLowerInvariant(),
            ["stop_lsn"] = stop.Stop.Position.ToString(),
            ["stop_replayed"] = stop.Stop.IsAfter,
            ["stop_time"] = stop.Stop.Time?.ToString(),
            ["stop_xid"] = stop.Stop.Xid == 0 ? null : stop.Stop.Xid,
            ["last_commit_lsn"] = stop.LastCommit?.Position.ToString(),
            ["last_commit_time"] = stop.LastCommit?.Time.ToString(),
            ["last_commit_xid"] = stop.LastCommit?.Xid,
        });
    }
}
