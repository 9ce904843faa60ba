namespace Barkeep.Packs;

/// <summary>The unit of what changes: one block of 8 KiB.</summary>
public static class Page
{
    /// <summary>Bytes; PostgreSQL's BLCKSZ as Debian and almost everyone builds it. Other builds are refused at setup.</summary>
    public const int Size = 8192;

    /// <summary>Pages in a full frame.</summary>
    public const int PerFrame = FrameCodec.MaxRawLength / Size;

    /// <summary>How many pages hold so many bytes.</summary>
    public static long CountFor(long bytes) => (bytes + Size - 1) / Size;
}
