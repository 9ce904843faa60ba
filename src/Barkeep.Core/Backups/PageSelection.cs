using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>Chooses what of each file is read.</summary>
/// <param name="changes">What has changed since the earlier backup; null when everything is to be read.</param>
sealed class PageSelection(EarlierBackup? earlier, BlockChanges? changes)
{
    /// <summary>The backup since which what has changed is read; null when everything is.</summary>
    public BackupId? Since { get; } = changes is null ? null : earlier!.Id;

    /// <summary>Whether a file is read whole by every backup, or by each after which its relation was written to: no WAL tells which of its pages change.</summary>
    public static bool IsReadOften(BackupFile file) => !RelationFile.TryParse(file.Path, out var relation) || relation.IsFreeSpaceMap;

    /// <summary>Chooses.</summary>
    public void Select(BackupFile file)
    {
        if (changes is null || file.Earlier is not { } before || !RelationFile.TryParse(file.Path, out var relation))
        {
            return;
        }
        var ranges = ChangedPages.Of(changes, relation.ToFork(), file.FirstBlock, file.ListedLength, before.Length, earlier!.DamagedPages(file.Path));
        if (ranges is not [{ First: 0 } only] || only.Count < Page.CountFor(file.ListedLength))
        {
            file.ReadOnly(ranges);
        }
    }
}
