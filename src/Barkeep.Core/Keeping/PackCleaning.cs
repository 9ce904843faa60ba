using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>Removes a lineage's packs that nobody needs, and writes those anew of which little is needed. The order of the calls is docs/format.md's, "Collection, in order".</summary>
sealed class PackCleaning(Lineage lineage, CollectionResult result)
{
    /// <summary>Removes packs of which no page is needed.</summary>
    public async Task RemoveAsync(IReadOnlyList<StoredPack> unneeded, CancellationToken cancellationToken)
    {
        foreach (var pack in unneeded)
        {
            await RemoveAsync(pack, cancellationToken);
        }
    }

    /// <summary>Removes lower generations. One may be the last good copy: it goes when the one that is read instead has what is needed.</summary>
    public async Task RemoveSupersededAsync(IReadOnlyList<StoredPack> superseded, PageNeeds needs, CancellationToken cancellationToken)
    {
        foreach (var pack in superseded)
        {
            try
            {
                using var reader = await lineage.Packs.OpenAsync(pack.Name, cancellationToken);
                var needed = needs.Packs[pack.Name];
                if (Enumerable.Range(0, reader.Index.PageCount).Count(p => needed.Contains(reader.Index.OrdinalAt(p))) == needed.Count)
                {
                    await RemoveAsync(pack, cancellationToken);
                }
                else
                {
                    result.Problems.Add($"pack {pack} is kept: a later generation lacks pages that backups need");
                }
            }
            catch (BarkeepException e) when (IsOfThePack(e))
            {
                result.Problems.Add($"pack {pack} is kept: {e.Message}");
            }
        }
    }

    /// <summary>Writes packs anew, in this order, with what is needed of them. One that cannot be read is left as it is.</summary>
    /// <param name="budget">Bytes to write at most; the pack during which they run out is written whole.</param>
    public async Task RewriteAsync(IReadOnlyList<SparsePack> packs, long budget, CancellationToken cancellationToken)
    {
        var left = budget;
        foreach (var sparse in packs)
        {
            if (left <= 0)
            {
                result.IsFinished = false;
                return;
            }
            try
            {
                var next = await lineage.Packs.RewriteAsync(sparse.Pack, sparse.Needed, static () => new(), cancellationToken);
                left -= next.StoredLength;
                result.RewrittenPacks.Add(next);
                result.FreedLength += sparse.Pack.StoredLength - next.StoredLength;
                await lineage.Packs.DeleteAsync(sparse.Pack, cancellationToken);
            }
            catch (BarkeepException e) when (IsOfThePack(e))
            {
                result.Problems.Add($"pack {sparse.Pack} is left as it is: {e.Message}");
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.DiskFull)
            {
                result.Problems.Add($"packs cannot be written anew: {e.Message}");
                result.IsFinished = false;
                return;
            }
        }
    }

    async Task RemoveAsync(StoredPack pack, CancellationToken cancellationToken)
    {
        await lineage.Packs.DeleteAsync(pack, cancellationToken);
        result.RemovedPacks.Add(pack);
        result.FreedLength += pack.StoredLength;
    }

    static bool IsOfThePack(BarkeepException e) => e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.NewerRepository;
}
