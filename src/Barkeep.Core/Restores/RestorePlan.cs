using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>What a restore is about to do, settled before the first byte is written. Prints itself for people.</summary>
public sealed record RestorePlan
{
    public required string Target { get; init; }

    public required BackupId Backup { get; init; }

    public required BackupInfo Info { get; init; }

    /// <summary>The WAL that goes into pg_wal.</summary>
    public required WalRoute Route { get; init; }

    public required RecoveryPlan Recovery { get; init; }

    /// <summary>What replay of WAL that is not placed needs at least, as far as it was received.</summary>
    internal ServerLimits Limits { get; init; }

    /// <summary>Where recovery stops; null when it goes to the end.</summary>
    public PlannedStop? Stop { get; init; }

    /// <summary>All that was committed before this position is there after recovery.</summary>
    public required Lsn Reached { get; init; }

    public required IReadOnlyList<TablespacePlacement> Tablespaces { get; init; }

    public required Ownership Ownership { get; init; }

    public required int FileCount { get; init; }

    /// <summary>What is there already; null when the target is empty.</summary>
    public DeltaPlan? Delta { get; init; }

    /// <summary>Bytes of pages to write, into an empty directory; pages of zeros are not written.</summary>
    public required long DataBytes { get; init; }

    /// <summary>Bytes of WAL to restore; the files are whole segments.</summary>
    public long WalBytes => Route.Parts.Sum(static p => (long)p.Keep);

    /// <summary>What the user should know before it begins: what is passed over, what is lost, what PostgreSQL will need.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    public override string ToString()
    {
        var text = new StringBuilder();
        var culture = CultureInfo.InvariantCulture;
        text.AppendLine(culture, $"backup {Backup} of server {Info.Server} (system identifier {Info.SystemId}, PostgreSQL {Info.MajorVersion}), taken {Info.BeginTime:yyyy-MM-dd HH:mm:ss zzz}");
        text.AppendLine(culture, $"into {Target}: {FileCount} files, {new ByteSize(DataBytes)}");
        foreach (var placement in Tablespaces)
        {
            text.AppendLine(culture, $"  tablespace {placement.Tablespace.Name} (was {placement.Tablespace.Location}) into {(placement.IsInside ? Path.Combine(Target, placement.Directory) : placement.Directory)}");
        }
        text.AppendLine(culture, $"WAL from {Info.BeginLsn} to {Route.End} on timeline {Route.History.Timeline}: {Route.Parts.Count} {(Route.Parts.Count == 1 ? "segment" : "segments")}, {new ByteSize(WalBytes)}{(Recovery.RestoreCommand is null ? "" : $", all later ones by {Recovery.RestoreCommand}")}");
        foreach (var line in RecoveryLines())
        {
            text.AppendLine(line);
        }
        if (Delta is { } delta)
        {
            text.AppendLine(culture, $"{delta.KeptFiles} files of {new ByteSize(delta.KeptBytes)} are there: what differs in them is written{(delta.HasRecord ? ", those that were not touched since the last restore are not read" : "")}");
            text.AppendLine(culture, $"{delta.RemovedCount} files, links and directories do not belong and are removed{(delta.RemovedCount == 0 ? "" : ":")}");
            foreach (var path in delta.Removed)
            {
                text.AppendLine(culture, $"  {path}");
            }
            if (delta.RemovedCount > delta.Removed.Count)
            {
                text.AppendLine(culture, $"  and {delta.RemovedCount - delta.Removed.Count} more");
            }
        }
        foreach (var warning in Warnings)
        {
            text.AppendLine(culture, $"warning: {warning}");
        }
        return text.ToString();
    }

    /// <summary>What recovery will do, in lines for people.</summary>
    public IEnumerable<string> RecoveryLines()
    {
        if (Stop is not null && Recovery.Target is { } target)
        {
            yield return $"target: {target}{(target.IsInclusive ? "" : ", exclusive")}";
            yield return $"recovery stops {Stop}";
            if (Stop.LastCommit is { } commit)
            {
                yield return $"the last transaction that is there: {commit.Xid}, committed at {commit.Time.Print(TimeZoneInfo.Local)}";
            }
            if (Recovery.Equivalent is { } equivalent)
            {
                yield return $"that is the end of the WAL, and nothing is known to have happened from there to the target, which PostgreSQL would not notice to be reached: it is told {equivalent} instead";
            }
            yield return Recovery.Action switch
            {
                TargetAction.Promote => "there it opens on a new timeline",
                TargetAction.Shutdown => "there it shuts down",
                _ => "there it pauses, open for reading; SELECT pg_wal_replay_resume() opens it on a new timeline",
            };
        }
        if (Recovery.IsStandby)
        {
            yield return "it becomes a standby: it replays what comes until it is promoted";
        }
    }
}
