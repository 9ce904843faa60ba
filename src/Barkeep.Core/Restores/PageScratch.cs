using Barkeep.Repo;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>What one thread needs to decode frames and write pages: buffers of 2 MiB, a codec, a few open files.</summary>
sealed class PageScratch(Func<int, SafeFileHandle> open) : IDisposable
{
    const int MaxOpenFiles = 16;

    readonly Dictionary<int, SafeFileHandle> _files = [];
    readonly Queue<int> _order = new();

    public FrameCodec Codec { get; } = new();

    public byte[] Stored { get; } = new byte[FrameCodec.MaxRawLength];

    public byte[] Raw { get; } = new byte[FrameCodec.MaxRawLength];

    /// <summary>A manifest entry's file, open for writing.</summary>
    public SafeFileHandle FileOf(int entry)
    {
        if (_files.TryGetValue(entry, out var file))
        {
            return file;
        }
        if (_files.Count == MaxOpenFiles)
        {
            _files.Remove(_order.Dequeue(), out var oldest);
            TargetTree.StartWriting(oldest!);
            oldest!.Dispose();
        }
        file = open(entry);
        _files.Add(entry, file);
        _order.Enqueue(entry);
        return file;
    }

    /// <summary>Lets the disk begin with what has been written to the open files.</summary>
    public void StartWriting()
    {
        foreach (var file in _files.Values)
        {
            TargetTree.StartWriting(file);
        }
    }

    public void Dispose()
    {
        foreach (var file in _files.Values)
        {
            file.Dispose();
        }
        Codec.Dispose();
    }
}
