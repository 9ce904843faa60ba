using System.Globalization;
using Barkeep.Common;
using Barkeep.Received;

namespace Barkeep.Health;

/// <summary>WAL that is missing, and the backups from which no restore gets past it.</summary>
/// <param name="Backups">Oldest first; empty while there are none at all.</param>
public sealed record WalGap(MissingWal Missing, IReadOnlyList<BackupId> Backups)
{
    const int ShownBackups = 3;

    public override string ToString() => Backups.Count == 0 ? Missing.ToString() : $"{Missing} (backup{(Backups.Count == 1 ? "" : "s")} {Named()})";

    // The newest: it is of them that restores are.
    string Named()
    {
        var named = string.Join(", ", Backups.TakeLast(ShownBackups));
        return Backups.Count <= ShownBackups ? named : string.Create(CultureInfo.InvariantCulture, $"{named} and {Backups.Count - ShownBackups} earlier");
    }
}
