using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>
/// Finds the pages in which files that are there differ from a backup: by the record of the last restore where it holds, else by reading them. Of the
/// repository it reads no more than the packs' indexes. Changes nothing.
/// </summary>
sealed class TargetComparison(RestoreSource source, TargetLayout layout, TargetFindings findings, RestoreRecord? record, PackIndexCache indexes)
{
    const int BufferPages = 128;

    /// <summary>Pages that a thread takes at once.</summary>
    const int PiecePages = 64 * BufferPages;

    readonly PageMoves _moves = new(source.Manifest.Packs.Count);
    readonly ConcurrentBag<byte[]> _buffers = [];
    long _skippedBytes;

    /// <summary>Files that the record spared.</summary>
    public int SkippedFiles { get; private set; }

    /// <inheritdoc cref="SkippedFiles"/>
    public long SkippedBytes => _skippedBytes;

    /// <summary>Files that were read.</summary>
    public int ReadFiles { get; private set; }

    /// <inheritdoc cref="ReadFiles"/>
    public long ReadBytes { get; private set; }

    /// <summary>What has to be written: whole files that are not there, and what differs in those that are.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<PageMoves> RunAsync(int jobs, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        // 1. What need not be read.
        var pieces = new List<Piece>();
        var entries = source.Manifest.Entries;
        for (var i = 0; i < entries.Count; i++)
        {
            if (!findings.Kept.TryGetValue(i, out var kept))
            {
                _moves.AddFile(entries[i], i);
            }
            else if (record?.TryMatch(entries[i].Path, kept.State) is { } restored)
            {
                SkippedFiles++;
                _skippedBytes += kept.State.Length;
                await CompareRunsAsync(i, restored, cancellationToken);
            }
            else
            {
                ReadFiles++;
                ReadBytes += Math.Min(kept.State.Length, entries[i].Length);
                AddPieces(pieces, i);
            }
        }

        // 2. What must be.
        var meter = new ProgressMeter(progress, ReadBytes);
        if (pieces.Count > 0)
        {
            meter.Begin(RestoreStep.Comparing);
        }
        await Parallel.ForEachAsync(pieces, new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken }, async (piece, token) => await ReadAsync(piece, meter, token));
        return _moves;
    }

    void AddPieces(List<Piece> pieces, int entry)
    {
        var cursor = new RunCursor(source.Manifest.Entries[entry].Runs);
        for (long page = 0; cursor.Left > 0;)
        {
            pieces.Add(new(entry, page, cursor));
            for (var rest = PiecePages; rest > 0 && cursor.Left > 0;)
            {
                var run = cursor.Take(Math.Min(rest, cursor.Left));
                rest -= run.Count;
                page += run.Count;
            }
        }
    }

    // Old pages against new ones, in stretches in which each side has one run.
    async Task CompareRunsAsync(int index, ManifestEntry restored, CancellationToken cancellationToken)
    {
        var (old, wanted) = (new RunCursor(restored.Runs), new RunCursor(source.Manifest.Entries[index].Runs));
        for (long page = 0; wanted.Left > 0;)
        {
            // Beyond its old end a file is extended by zeros.
            var count = old.Left > 0 ? Math.Min(old.Left, wanted.Left) : wanted.Left;
            var before = old.Left > 0 ? old.Take(count) : PageRun.Zeros(count);
            var now = wanted.Take(count);
            if (before.IsZeros || now.IsZeros)
            {
                if (before.IsZeros != now.IsZeros)
                {
                    _moves.Add(now, index, page);
                }
            }
            else if (record!.Packs[before.Pack] != source.Manifest.Packs[now.Pack] || before.Ordinal != now.Ordinal)
            {
                await CompareHashesAsync(index, page, before, now, cancellationToken);
            }
            page += count;
        }
    }

    // The same pages may have been stored twice.
    async Task CompareHashesAsync(int index, long page, PageRun before, PageRun now, CancellationToken cancellationToken)
    {
        PackIndex old;
        try
        {
            old = await indexes.GetAsync(record!.Packs[before.Pack], cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.ObjectMissing or ErrorKind.Damaged)
        {
            _moves.Add(now, index, page);
            return;
        }
        var wanted = await indexes.GetAsync(source.Manifest.Packs[now.Pack], cancellationToken);
        for (var i = 0; i < now.Count; i++)
        {
            var position = old.PositionOf(before.Ordinal + i);
            if (position < 0 || old.HashAt(position) != wanted.HashOf(now.Ordinal + i))
            {
                _moves.Add(new(1, now.Pack, now.Ordinal + i), index, page + i);
            }
        }
    }

    async ValueTask ReadAsync(Piece piece, ProgressMeter meter, CancellationToken cancellationToken)
    {
        var entry = source.Manifest.Entries[piece.Entry];
        var (tree, path) = layout.Locate(entry.Path);
        if (!_buffers.TryTake(out var buffer))
        {
            buffer = new byte[BufferPages * Page.Size];
        }
        using var file = tree.OpenForReading(path);
        var (cursor, page) = (piece.Runs, piece.Page);
        for (var rest = PiecePages; rest > 0 && cursor.Left > 0;)
        {
            // As much as the buffer takes; what the file lacks reads as the zeros that it will be extended by.
            var offset = page * Page.Size;
            var length = (int)Math.Min(buffer.Length, entry.Length - offset);
            var found = tree.Read(file, buffer.AsSpan(0, length), offset, path);
            buffer.AsSpan(found).Clear();
            meter.Add(found);
            for (var filled = (int)Page.CountFor(length); filled > 0;)
            {
                var run = cursor.Take(Math.Min(filled, cursor.Left));
                var index = run.IsZeros ? null : await indexes.GetAsync(source.Manifest.Packs[run.Pack], cancellationToken);
                var at = (int)(page * Page.Size - offset);
                ComparePages(piece.Entry, page, run, index, buffer.AsSpan(at, run.Count * Page.Size));
                filled -= run.Count;
                rest -= run.Count;
                page += run.Count;
            }
        }
        _buffers.Add(buffer);
    }

    void ComparePages(int entry, long page, PageRun run, PackIndex? index, ReadOnlySpan<byte> pages)
    {
        // Pages that differ side by side are added together.
        var first = -1;
        for (var i = 0; i <= run.Count; i++)
        {
            var differs = i < run.Count && pages.Slice(i * Page.Size, Page.Size) is var content
                && (index is null ? content.ContainsAnyExcept((byte)0) : FrameCodec.HashOf(content) != index.HashOf(run.Ordinal + i));
            if (differs && first < 0)
            {
                first = i;
            }
            else if (!differs && first >= 0)
            {
                _moves.Add(index is null ? PageRun.Zeros(i - first) : new(i - first, run.Pack, run.Ordinal + first), entry, page + first);
                first = -1;
            }
        }
    }

    /// <summary>Up to <see cref="PiecePages"/> of a file.</summary>
    /// <param name="Runs">Where the piece begins.</param>
    readonly record struct Piece(int Entry, long Page, RunCursor Runs);
}
