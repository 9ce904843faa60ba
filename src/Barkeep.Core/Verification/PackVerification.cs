using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Verification;

/// <summary>
/// Reads every frame in which pages are that are needed, and compares every page in it with its hash. One pack's index and a few
/// frames for each thread are in memory at a time.
/// </summary>
sealed class PackVerification(Lineage lineage, int jobs, Action<long> advance)
{
    readonly ConcurrentBag<FrameCheck> _checks = [];
    readonly ConcurrentBag<HurtPages> _hurt = [];
    long _frames;
    long _pages;
    long _storedBytes;

    public long Frames => _frames;

    public long Pages => _pages;

    public long StoredBytes => _storedBytes;

    public IReadOnlyCollection<HurtPages> Hurt => _hurt;

    public async Task RunAsync(IReadOnlyDictionary<string, PageSet> needed, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var (pack, pages) in needed.OrderBy(static n => n.Key, StringComparer.Ordinal))
            {
                await RunAsync(pack, pages, cancellationToken);
            }
        }
        finally
        {
            foreach (var check in _checks)
            {
                check.Dispose();
            }
        }
    }

    async Task RunAsync(string name, PageSet needed, CancellationToken cancellationToken)
    {
        PackReader pack;
        try
        {
            pack = await lineage.Packs.OpenAsync(name, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.Storage)
        {
            _hurt.Add(new(name, $"pack {name}", e.Message, e.Kind, null));
            advance((long)needed.Count * Page.Size);
            return;
        }
        using (pack)
        {
            var (frames, found) = FramesOf(pack.Index, needed);
            if (found != needed.Count)
            {
                _hurt.Add(new(name, $"pack {name}", $"{needed.Count - found} of its pages that backups need are not in it", ErrorKind.Damaged, Without(pack.Index, needed)));
            }
            var options = new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(frames, options, async (frame, token) =>
            {
                var neededPages = await VerifyAsync(name, pack, frame, needed, token);
                advance((long)neededPages * Page.Size);
            });
        }
    }

    // Which frames hold a needed page, and how many needed pages there are in all.
    static (List<int> Frames, int Found) FramesOf(PackIndex index, PageSet needed)
    {
        var frames = new List<int>();
        var found = 0;
        for (var i = 0; i < index.Frames.Count; i++)
        {
            var frame = index.Frames[i];
            var before = found;
            for (var page = 0; page < frame.Pages; page++)
            {
                found += needed.Contains(index.OrdinalAt(frame.FirstPosition + page)) ? 1 : 0;
            }
            if (found > before)
            {
                frames.Add(i);
            }
        }
        return (frames, found);
    }

    static PageSet Without(PackIndex index, PageSet needed)
    {
        var missing = new PageSet();
        for (var ordinal = 0; ordinal < PackIndex.MaxPages; ordinal++)
        {
            if (needed.Contains(ordinal) && index.PositionOf(ordinal) < 0)
            {
                missing.Add(ordinal, 1);
            }
        }
        return missing;
    }

    // Returns how many of the frame's pages are needed.
    async ValueTask<int> VerifyAsync(string name, PackReader pack, int number, PageSet needed, CancellationToken cancellationToken)
    {
        var frame = pack.Index.Frames[number];
        var check = _checks.TryTake(out var free) ? free : new();
        var hurt = new PageSet();
        try
        {
            if (await check.RunAsync(pack, number, hurt, cancellationToken) is { } wrong)
            {
                _hurt.Add(new(name, $"pack {name}, frame {number}", wrong.How, wrong.Kind, hurt));
            }
        }
        finally
        {
            _checks.Add(check);
        }
        Interlocked.Increment(ref _frames);
        Interlocked.Add(ref _pages, frame.Pages);
        Interlocked.Add(ref _storedBytes, frame.StoredLength);
        return Enumerable.Range(frame.FirstPosition, frame.Pages).Count(p => needed.Contains(pack.Index.OrdinalAt(p)));
    }
}
