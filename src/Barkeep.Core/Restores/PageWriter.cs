using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Storage;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>
/// Writes a backup's pages to their places. Goes through each pack from its first frame to its last, reads and decodes a
/// frame once whatever files its pages belong to, and writes no page whose hash it has not checked.
/// </summary>
sealed class PageWriter(Lineage lineage, Manifest manifest, TargetLayout layout, ProgressMeter meter, BandwidthLimit limit)
{
    /// <summary>Frames that a thread takes at once.</summary>
    const int FramesPerBatch = 16;

    readonly int _controlEntry = IndexOf(manifest, ManifestCheck.ControlFile);
    readonly byte[] _control = new byte[Page.Size];
    readonly ConcurrentBag<PageScratch> _idle = [];

    /// <summary>Writes pages, all but those of global/pg_control, into files that are there with their full length.</summary>
    /// <returns>The content of global/pg_control.</returns>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, DiskFull, Storage.</exception>
    public async Task<byte[]> RunAsync(PageMoves moves, int jobs, CancellationToken cancellationToken)
    {
        WriteZeros(moves.Zeros, cancellationToken);
        if (manifest.Entries[_controlEntry] is { Kind: ManifestEntryKind.Inline } control)
        {
            control.Content.CopyTo(_control);
        }
        try
        {
            await Parallel.ForEachAsync(
                BatchesAsync(moves, cancellationToken),
                new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken },
                async (batch, token) => await WriteAsync(batch, token));
        }
        finally
        {
            while (_idle.TryTake(out var scratch))
            {
                scratch.Dispose();
            }
        }
        return _control;
    }

    async IAsyncEnumerable<Batch> BatchesAsync(PageMoves moves, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var i = 0; i < manifest.Packs.Count; i++)
        {
            if (moves.Take(i) is not { } wanted)
            {
                continue;
            }
            var name = manifest.Packs[i];
            var pack = new SharedPack(await lineage.Packs.OpenAsync(name, cancellationToken));
            try
            {
                var frames = SplitByFrame(name, pack.Reader.Index, wanted);
                for (var first = 0; first < frames.Length; first += FramesPerBatch)
                {
                    pack.Retain();
                    yield return new(name, pack, frames, first, Math.Min(first + FramesPerBatch, frames.Length));
                }
            }
            finally
            {
                pack.Release();
            }
        }
    }

    void WriteZeros(List<PageMoves.ZeroPages> zeros, CancellationToken cancellationToken)
    {
        if (zeros.Count == 0)
        {
            return;
        }
        using var scratch = new PageScratch(OpenFile);
        var nothing = new byte[FrameCodec.MaxRawLength];
        foreach (var stretch in zeros)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var entry = manifest.Entries[stretch.Entry];
            var end = Math.Min(entry.Length, (stretch.Page + stretch.Count) * Page.Size);
            for (var offset = stretch.Page * Page.Size; offset < end; offset += nothing.Length)
            {
                var length = (int)Math.Min(nothing.Length, end - offset);
                layout.Main.Write(scratch.FileOf(stretch.Entry), nothing.AsSpan(0, length), offset, entry.Path);
                meter.Add(length);
            }
        }
    }

    // From ordinals in the pack to positions among the pages that are there.
    static List<PageMove>?[] SplitByFrame(string name, PackIndex index, List<PageMove> moves)
    {
        var frames = new List<PageMove>?[index.Frames.Count];
        foreach (var move in moves)
        {
            if (!index.Holds(move.First, move.Count))
            {
                throw new BarkeepException(ErrorKind.Damaged, $"pages {move.First} to {move.First + move.Count - 1} are wanted of pack {name}, and not all of them are there", Record.WhenDamaged);
            }
            for (var rest = move with { First = index.PositionOf(move.First) }; rest.Count > 0;)
            {
                var number = index.FrameAt(rest.First);
                var frame = index.Frames[number];
                var count = Math.Min(rest.Count, frame.FirstPosition + frame.Pages - rest.First);
                (frames[number] ??= []).Add(rest with { Count = count });
                rest = new(rest.First + count, rest.Count - count, rest.Entry, rest.Page + count);
            }
        }
        return frames;
    }

    async ValueTask WriteAsync(Batch batch, CancellationToken cancellationToken)
    {
        if (!_idle.TryTake(out var scratch))
        {
            scratch = new(OpenFile);
        }
        try
        {
            for (var number = batch.First; number < batch.End; number++)
            {
                if (batch.Frames[number] is { } moves)
                {
                    await limit.TakeAsync(batch.Pack.Reader.Index.Frames[number].StoredLength, cancellationToken);
                    var raw = await batch.Pack.Reader.ReadFrameAsync(number, scratch.Codec, scratch.Stored, scratch.Raw, cancellationToken);
                    foreach (var move in moves)
                    {
                        WritePages(batch, number, move, raw.Span, scratch);
                    }
                }
            }
            scratch.StartWriting();
        }
        finally
        {
            batch.Pack.Release();
            _idle.Add(scratch);
        }
    }

    void WritePages(Batch batch, int number, PageMove move, ReadOnlySpan<byte> frame, PageScratch scratch)
    {
        var index = batch.Pack.Reader.Index;
        var pages = frame.Slice((move.First - index.Frames[number].FirstPosition) * Page.Size, move.Count * Page.Size);
        for (var i = 0; i < move.Count; i++)
        {
            if (FrameCodec.HashOf(pages.Slice(i * Page.Size, Page.Size)) != index.HashAt(move.First + i))
            {
                throw new BarkeepException(ErrorKind.Damaged, $"page {index.OrdinalAt(move.First + i)} of pack {batch.Name} does not match its hash", "use another backup, or the repository's copy");
            }
        }
        if (move.Entry == _controlEntry)
        {
            pages.CopyTo(_control);
            return;
        }
        var entry = manifest.Entries[move.Entry];
        var offset = move.Page * Page.Size;
        var length = (int)Math.Min(pages.Length, entry.Length - offset);
        layout.Main.Write(scratch.FileOf(move.Entry), pages[..length], offset, entry.Path);
        scratch.Wrote(move.Entry, length, isWhole: length == entry.Length);
        meter.Add(length);
    }

    SafeFileHandle OpenFile(int entry)
    {
        var (tree, path) = layout.Locate(manifest.Entries[entry].Path);
        return tree.OpenForWriting(path);
    }

    static int IndexOf(Manifest manifest, string path)
    {
        var index = 0;
        while (manifest.Entries[index].Path != path)
        {
            index++;
        }
        return index;
    }

    sealed record Batch(string Name, SharedPack Pack, List<PageMove>?[] Frames, int First, int End);

    /// <summary>A pack that several threads read; closed after the last of them.</summary>
    sealed class SharedPack(PackReader reader)
    {
        int _users = 1;

        public PackReader Reader { get; } = reader;

        public void Retain() => Interlocked.Increment(ref _users);

        public void Release()
        {
            if (Interlocked.Decrement(ref _users) == 0)
            {
                Reader.Dispose();
            }
        }
    }
}
