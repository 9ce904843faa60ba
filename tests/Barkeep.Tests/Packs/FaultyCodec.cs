using Barkeep.Packs;

namespace Barkeep.Tests.Packs;

/// <summary>Spoils one frame, of those that it compresses: its bytes, or one bit of a page before they are made.</summary>
sealed class FaultyCodec(int spoiled, bool isWellFormed) : FrameCodec
{
    int _frames;

    public override ReadOnlyMemory<byte> Encode(ReadOnlyMemory<byte> raw, out FrameEncoding encoding)
    {
        if (++_frames != spoiled)
        {
            return base.Encode(raw, out encoding);
        }
        if (isWellFormed)
        {
            var pages = raw.ToArray();
            pages[^100] ^= 4;
            return base.Encode(pages, out encoding).ToArray();
        }
        var stored = base.Encode(raw, out encoding).ToArray();
        stored[stored.Length / 2] ^= 4;
        return stored;
    }
}
