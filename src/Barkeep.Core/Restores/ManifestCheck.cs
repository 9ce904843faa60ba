using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// What a manifest must have beyond being well-formed, before anything is written on its word: the files without which
/// PostgreSQL would start from the wrong place or not at all, and packs that hold every page it refers to.
/// </summary>
static class ManifestCheck
{
    public const string ControlFile = "global/pg_control";
    public const string BackupLabelFile = "backup_label";

    /// <exception cref="BarkeepException">Damaged, ObjectMissing, NewerRepository.</exception>
    public static async Task RunAsync(Lineage lineage, BackupId id, Manifest manifest, CancellationToken cancellationToken)
    {
        CheckControlFile(id, manifest);
        CheckLabel(id, manifest);
        CheckRooms(id, manifest);
        await CheckPacksAsync(lineage, id, manifest, cancellationToken);
    }

    static void CheckControlFile(BackupId id, Manifest manifest)
    {
        if (!manifest.Entries.Any(static e => e.Path == ControlFile && e.Kind is ManifestEntryKind.File or ManifestEntryKind.Inline && e.Length == Wal.ControlFile.FileSize))
        {
            throw Damaged(id, $"it has no {ControlFile} of {Wal.ControlFile.FileSize} bytes");
        }
    }

    // Without its label, or with another's, recovery would begin at the wrong checkpoint and corrupt the cluster in silence.
    static void CheckLabel(BackupId id, Manifest manifest)
    {
        var entry = manifest.Entries.FirstOrDefault(static e => e.Path == BackupLabelFile && e.Kind == ManifestEntryKind.Inline)
            ?? throw Damaged(id, $"it has no {BackupLabelFile}");
        try
        {
            var label = BackupLabel.Parse(entry.Content.Span);
            if (label.Start != manifest.Info.BeginLsn || label.Timeline != manifest.Info.TimelineId)
            {
                throw Damaged(id, $"its {BackupLabelFile} begins at {label.Start} on timeline {label.Timeline}, and it claims {manifest.Info.BeginLsn} on timeline {manifest.Info.Timeline}");
            }
        }
        catch (FormatException e)
        {
            throw Damaged(id, e.Message);
        }
    }

    // Links are made for tablespaces: nothing may be there in their place.
    static void CheckRooms(BackupId id, Manifest manifest)
    {
        if (manifest.Info.Tablespaces.DistinctBy(static t => t.Oid).Count() != manifest.Info.Tablespaces.Count)
        {
            throw Damaged(id, "it has a tablespace twice");
        }
        foreach (var tablespace in manifest.Info.Tablespaces)
        {
            var link = TablespacePlacement.LinkOf(tablespace.Oid);
            if (manifest.Entries.Any(e => e.Path == link && e.Kind != ManifestEntryKind.Directory))
            {
                throw Damaged(id, $"{link} is not a directory in it");
            }
        }
        if (manifest.Entries.FirstOrDefault(static e => e.Path is RestoreMarker.FileName or RestoreRecord.FileName) is { } own)
        {
            throw Damaged(id, $"it has a file {own.Path}");
        }
    }

    static async Task CheckPacksAsync(Lineage lineage, BackupId id, Manifest manifest, CancellationToken cancellationToken)
    {
        var runs = new List<PageRun>?[manifest.Packs.Count];
        foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros))
        {
            (runs[run.Pack] ??= []).Add(run);
        }
        for (var i = 0; i < runs.Length; i++)
        {
            if (runs[i] is { } needed)
            {
                using var pack = await lineage.Packs.OpenAsync(manifest.Packs[i], cancellationToken);
                if (needed.Find(r => !pack.Index.Holds(r.Ordinal, r.Count)) is { Count: > 0 } absent)
                {
                    throw Damaged(id, $"it refers to pages {absent.Ordinal} to {absent.Ordinal + absent.Count - 1} of pack {manifest.Packs[i]}, and not all of them are there");
                }
            }
        }
    }

    static BarkeepException Damaged(BackupId id, string how) =>
        new(ErrorKind.Damaged, $"the manifest of backup {id} cannot be right: {how}", "use another backup, or the repository's copy");
}
