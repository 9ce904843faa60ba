using System.Globalization;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>Backups of one lineage that are to go, and what may stand against it.</summary>
/// <param name="Minimum">So many usable backups of this lineage stay.</param>
sealed record BackupRemoval(Lineage Lineage, IReadOnlyCollection<BackupId> Ids, int Minimum)
{
    /// <summary>The lineage's backups that are known not to be restorable: their manifest is damaged, or pages that they need are. None where nothing is counted.</summary>
    public async Task<IReadOnlySet<BackupId>> FindUnsoundAsync(CancellationToken cancellationToken)
    {
        if (Minimum == 0)
        {
            return new HashSet<BackupId>();
        }
        var hurt = await HurtPacks.ReadAsync(Lineage, cancellationToken);
        var backups = await Lineage.Backups.ListAsync(cancellationToken);
        var unsound = await hurt.FindBackupsAsync(backups.Select(static b => b.Id), cancellationToken);
        unsound.UnionWith(backups.Where(static b => b.State == BackupState.Damaged).Select(static b => b.Id));
        return unsound;
    }

    /// <summary>Why a backup may not be removed, as it follows "Skipping delete of backup …"; null when it may.</summary>
    /// <param name="backups">What is there now.</param>
    /// <param name="unsound">As of <see cref="FindUnsoundAsync"/>.</param>
    public string? Refusal(IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, IReadOnlySet<BackupId> unsound, BackupId id)
    {
        var parts = backups.FirstOrDefault(b => b.Id == id).Parts;
        if (BackupCatalog.KeepOf(parts) is { } target)
        {
            return $"as it has a current keep request ({(target == KeepTarget.Full ? "full" : "standalone")}). If you really want to delete this backup please remove the keep and try again.";
        }
        var usable = backups.Where(static b => IsUsable(b.Parts)).ToList();
        var sound = usable.Count(b => !unsound.Contains(b.Id));
        // One that is damaged is no loss, but may be what is mended once the repository's copy is here: where it is one of the last, it stays too.
        if (!IsUsable(parts) || (usable.Count > Minimum && (sound > Minimum || unsound.Contains(id))))
        {
            return null;
        }
        var others = usable.Count == sound ? "" : string.Create(CultureInfo.InvariantCulture, $", besides {usable.Count - sound} that cannot be restored");
        return string.Create(CultureInfo.InvariantCulture, $"due to minimum redundancy requirements (minimum redundancy = {Minimum}, current redundancy = {sound}{others})");
    }

    static bool IsUsable(BackupParts parts) => parts.HasFlag(BackupParts.Manifest | BackupParts.Complete);
}
