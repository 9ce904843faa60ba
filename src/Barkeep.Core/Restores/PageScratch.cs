using Barkeep.Common;
using Barkeep.Packs;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>What one thread needs to decode frames and write pages: buffers of 2 MiB, a codec, a few open files.</summary>
sealed class PageScratch(Func<int, SafeFileHandle> open) : IDisposable
{
    const int MaxOpenFiles = 16;

    // Pages one by one would go to the disk as many pieces, and those between them come with another pack: the flush at the end writes them together.
    const int LeastPiece = 64 << 10;

    readonly Dictionary<int, OpenFile> _files = [];
    readonly Queue<int> _order = new();

    public FrameCodec Codec { get; } = new();

    public byte[] Stored { get; } = new byte[FrameCodec.MaxRawLength];

    public byte[] Raw { get; } = new byte[FrameCodec.MaxRawLength];

    /// <summary>A manifest entry's file, open for writing.</summary>
    public SafeFileHandle FileOf(int entry) => Of(entry).Handle;

    /// <summary>Notes what was written to a file.</summary>
    /// <param name="isWhole">Whether that is all of it.</param>
    public void Wrote(int entry, int length, bool isWhole)
    {
        var file = Of(entry);
        file.Length += isWhole ? Math.Max(length, LeastPiece) : length;
        file.Pieces++;
    }

    /// <summary>Lets the disk begin with what has been written to the open files in long pieces.</summary>
    public void StartWriting()
    {
        foreach (var file in _files.Values)
        {
            file.StartWriting();
        }
    }

    public void Dispose()
    {
        foreach (var file in _files.Values)
        {
            file.Handle.Dispose();
        }
        Codec.Dispose();
    }

    OpenFile Of(int entry)
    {
        if (_files.TryGetValue(entry, out var file))
        {
            return file;
        }
        if (_files.Count == MaxOpenFiles)
        {
            _files.Remove(_order.Dequeue(), out var oldest);
            oldest!.StartWriting();
            oldest.Handle.Dispose();
        }
        file = new(open(entry));
        _files.Add(entry, file);
        _order.Enqueue(entry);
        return file;
    }

    sealed class OpenFile(SafeFileHandle handle)
    {
        public SafeFileHandle Handle { get; } = handle;

        public long Length { get; set; }

        public int Pieces { get; set; }

        public void StartWriting()
        {
            if (Length >= (long)Pieces * LeastPiece)
            {
                Durable.BeginFlush(Handle, 0, 0);
            }
        }
    }
}
