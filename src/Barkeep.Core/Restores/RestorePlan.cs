using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>What a restore is about to do, settled before the first byte is written. Prints itself for people.</summary>
public sealed record RestorePlan
{
    public required string Target { get; init; }

    public required BackupId Backup { get; init; }

    public required BackupInfo Info { get; init; }

    public required WalRoute Route { get; init; }

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
        text.AppendLine(culture, $"backup {Backup} of server {Info.Server} (system identifier {Info.SystemId}, PostgreSQL {Info.ServerVersion / 10000}), taken {Info.BeginTime:yyyy-MM-dd HH:mm:ss zzz}");
        text.AppendLine(culture, $"into {Target}: {FileCount} files, {new ByteSize(DataBytes)}");
        foreach (var placement in Tablespaces)
        {
            text.AppendLine(culture, $"  tablespace {placement.Tablespace.Name} (was {placement.Tablespace.Location}) into {(placement.IsInside ? Path.Combine(Target, placement.Directory) : placement.Directory)}");
        }
        text.AppendLine(culture, $"WAL from {Info.BeginLsn} to {Route.End} on timeline {Route.History.Timeline.Value}: {Route.Parts.Count} segments");
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
}
