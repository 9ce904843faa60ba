using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Verification;

/// <summary>Pages of a pack that cannot be had, found before it is known who needs them.</summary>
/// <param name="Pages">By their ordinals; null for all that the pack is said to hold.</param>
sealed record HurtPages(string Pack, string What, string How, ErrorKind Kind, PageSet? Pages)
{
    readonly SortedSet<string> _files = new(StringComparer.Ordinal);
    readonly List<BackupId> _backups = [];
    int _fileCount;

    /// <summary>Looks for the pages in a backup.</summary>
    public void LookIn(BackupId backup, Manifest manifest)
    {
        var touched = false;
        foreach (var entry in manifest.Entries)
        {
            if (entry.Runs.Any(r => !r.IsZeros && manifest.Packs[r.Pack] == Pack && Touches(r)))
            {
                touched = true;
                Note(entry.Path);
            }
        }
        if (touched)
        {
            _backups.Add(backup);
        }
    }

    public Damage ToDamage() => new(What, How, Kind, _backups, [.. _files], _fileCount);

    void Note(string path)
    {
        if (!_files.Contains(path))
        {
            _fileCount++;
            if (_files.Count < Damage.NamedFiles)
            {
                _files.Add(path);
            }
        }
    }

    bool Touches(PageRun run) => Pages is null || Pages.ContainsAny(run.Ordinal, run.Count);
}
