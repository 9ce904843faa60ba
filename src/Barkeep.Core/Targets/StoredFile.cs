using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Storage;

namespace Barkeep.Targets;

/// <summary>Reads whole small files out of a backup.</summary>
sealed class StoredFile(PackStore packs, Manifest manifest) : IDisposable
{
    readonly FrameCodec _codec = new();
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _raw = new byte[FrameCodec.MaxRawLength];
    readonly Dictionary<int, PackReader> _packs = [];
    (PackReader? Pack, int Number) _frame;

    /// <summary>A file's bytes, filled up with zeros to whole pages; null when the backup has no such file, or it is longer than the limit.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository, Storage.</exception>
    public async Task<byte[]?> TryReadAsync(string path, int limit, CancellationToken cancellationToken)
    {
        if (manifest.Entries.FirstOrDefault(e => e.Path == path) is not { Kind: ManifestEntryKind.File } entry || entry.Length > limit)
        {
            return null;
        }
        var content = new byte[(entry.Length + Page.Size - 1) / Page.Size * Page.Size];
        var at = 0;
        foreach (var run in entry.Runs)
        {
            for (var i = 0; i < run.Count; i++, at += Page.Size)
            {
                if (!run.IsZeros)
                {
                    (await PageAsync(run.Pack, run.Ordinal + i, cancellationToken)).CopyTo(content.AsMemory(at));
                }
            }
        }
        return content;
    }

    public void Dispose()
    {
        foreach (var pack in _packs.Values)
        {
            pack.Dispose();
        }
        _codec.Dispose();
    }

    async ValueTask<ReadOnlyMemory<byte>> PageAsync(int number, int ordinal, CancellationToken cancellationToken)
    {
        if (!_packs.TryGetValue(number, out var pack))
        {
            _packs[number] = pack = await packs.OpenAsync(manifest.Packs[number], cancellationToken);
        }
        if (!pack.Index.Holds(ordinal, 1))
        {
            throw Record.Damaged(manifest.Packs[number], $"it has no page {ordinal}");
        }
        var position = pack.Index.PositionOf(ordinal);
        var frame = pack.Index.FrameAt(position);
        if (_frame != (pack, frame))
        {
            _frame = default;
            await pack.ReadFrameAsync(frame, _codec, _stored, _raw, cancellationToken);
            _frame = (pack, frame);
        }
        return _raw.AsMemory((position - pack.Index.Frames[frame].FirstPosition) * Page.Size, Page.Size);
    }
}
