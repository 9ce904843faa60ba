using Barkeep.Packs;

namespace Barkeep.Keeping;

/// <summary>A pack of which less than half is needed.</summary>
/// <param name="Needed">Its pages that some backup needs.</param>
/// <param name="Pages">How many there are.</param>
public sealed record SparsePack(StoredPack Pack, PageSet Needed, int Pages)
{
    /// <summary>Bytes that its needed pages take, about.</summary>
    public long NeededLength => (long)((double)Pack.StoredLength / Pages * Needed.Count);
}
