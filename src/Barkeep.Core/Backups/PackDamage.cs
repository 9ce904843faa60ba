using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>
/// What one backup finds wrong with the packs of earlier ones. Pages that it does not read are where they were, so that this backup cannot be restored
/// whole either; the pack is marked, so that the next one stores them again. Safe for several threads.
/// </summary>
sealed class PackDamage(PackStore packs)
{
    readonly ConcurrentDictionary<string, string> _remarks = new(StringComparer.Ordinal);

    /// <summary>A line for each pack.</summary>
    public IEnumerable<string> Remarks => _remarks.Values.Order(StringComparer.Ordinal);

    /// <summary>Notes a pack that cannot be read; the mark is durable when this returns.</summary>
    /// <param name="pack">As a manifest names it.</param>
    /// <param name="found">Damaged or ObjectMissing: the next backup sees by itself that an object is missing.</param>
    public async Task NoteAsync(string pack, BarkeepException found, CancellationToken cancellationToken)
    {
        if (_remarks.TryAdd(pack, $"{found.Message}: backups that need it, this one among them, cannot be restored whole; the next one stores its pages again")
            && found.Kind == ErrorKind.Damaged)
        {
            await packs.MarkDamagedAsync(pack, found.Message, cancellationToken);
        }
    }
}
