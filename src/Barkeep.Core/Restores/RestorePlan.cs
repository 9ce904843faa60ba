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

    /// <summary>Bytes of pages to write; pages of zeros are not written.</summary>
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
        foreach (var warning in Warnings)
        {
            text.AppendLine(culture, $"warning: {warning}");
        }
        return text.ToString();
    }
}
