namespace Barkeep.Packs;

/// <summary>How a frame's bytes are stored. Persisted: a number never changes its meaning.</summary>
public enum FrameEncoding : byte
{
    AsIs = 0,
    Zstd = 1,
}
