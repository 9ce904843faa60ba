using System.Globalization;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>The packs that one backup writes, one after the other. Safe for several threads.</summary>
public sealed class PackSeries : IDisposable
{
    readonly DirectoryStore _store;
    readonly string _root;
    readonly BackupId _backup;
    readonly int _after;
    readonly SemaphoreSlim _turn = new(1);
    readonly List<string> _names = [];
    PackWriter? _pack;
    Task _finishing = Task.CompletedTask;

    internal PackSeries(DirectoryStore store, string root, BackupId backup, int after)
    {
        _store = store;
        _root = root;
        _backup = backup;
        _after = after;
    }

    /// <summary>Bytes stored in all packs so far.</summary>
    public long StoredLength { get; private set; }

    /// <summary>Appends a frame to the present pack, beginning and ending packs as they fill.</summary>
    /// <param name="stored">As <see cref="FrameCodec.Encode"/> made it.</param>
    /// <param name="pages">The hash of each page in it.</param>
    /// <returns>Where its first page is; the others follow. Durable only after <see cref="FinishAsync"/>.</returns>
    public async ValueTask<PageReference> AppendAsync(ReadOnlyMemory<byte> stored, FrameEncoding encoding, ReadOnlyMemory<UInt128> pages, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_pack is { IsFull: true } full)
            {
                // Flushing takes a while, in which the next pack grows; but never two at a time. A failure shows here, or at the end.
                await _finishing;
                _pack = null;
                _finishing = Task.Run(() => FinishPackAsync(full, cancellationToken), CancellationToken.None);
            }
            _pack ??= await BeginPackAsync(cancellationToken);
            var ordinal = await _pack.AppendAsync(stored, encoding, pages, cancellationToken);
            return new(_names[^1], ordinal);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends the last pack. All packs are durable when it returns.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await _finishing;
            if (_pack is { } last)
            {
                _pack = null;
                await FinishPackAsync(last, cancellationToken);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Drops the pack that is being written; finished ones stay until they are deleted, and none appears after this.</summary>
    public void Dispose()
    {
        Task.WhenAny(_finishing).GetAwaiter().GetResult();
        _pack?.Dispose();
        _turn.Dispose();
    }

    ValueTask<PackWriter> BeginPackAsync(CancellationToken cancellationToken)
    {
        _names.Add(string.Create(CultureInfo.InvariantCulture, $"{_backup}/{_after + _names.Count + 1:D4}"));
        return PackWriter.CreateAsync(_store, _root, PackStore.ObjectOf(new(_names[^1], 0)), PackIndex.WholeVersion, cancellationToken);
    }

    async Task FinishPackAsync(PackWriter pack, CancellationToken cancellationToken)
    {
        using (pack)
        {
            await pack.FinishAsync(cancellationToken);
            StoredLength += pack.StoredLength;
        }
    }
}
