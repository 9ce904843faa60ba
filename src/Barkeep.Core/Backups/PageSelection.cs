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

    /// <summary>Whether no WAL tells what changes in a file: every backup reads it whole.</summary>
    public static bool IsReadAlways(BackupFile file) => ForkOf(file) is null;

    /// <summary>Chooses.</summary>
    public void Select(BackupFile file)
    {
        if (changes is null || file.Earlier is not { } before || ForkOf(file) is not { } fork)
        {
            return;
        }
        var ranges = ChangedPages.Of(changes, fork, file.FirstBlock, file.ListedLength, before.Length, earlier!.DamagedPages(file.Path));
        if (ranges is not [{ First: 0 } only] || only.Count < Page.CountFor(file.ListedLength))
        {
            file.ReadOnly(ranges);
        }
    }

    static RelationFork? ForkOf(BackupFile file) => RelationFile.TryParse(file.Path, out var relation) ? relation.ToFork() : null;
}
