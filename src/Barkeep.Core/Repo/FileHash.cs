using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Packs;

namespace Barkeep.Repo;

/// <summary>The hash of a file by the hashes of its pages, so that it is known without reading the file: indexes of packs have them.</summary>
sealed class FileHash
{
    public static readonly UInt128 ZeroPage = FrameCodec.HashOf(new byte[Page.Size]);

    readonly XxHash128 _hash = new();
    readonly byte[] _bytes = new byte[16];

    public void Add(UInt128 page)
    {
        BinaryPrimitives.WriteUInt128BigEndian(_bytes, page);
        _hash.Append(_bytes);
    }

    /// <summary>The hash of what was added; what comes next is another file's.</summary>
    public UInt128 Take()
    {
        var hash = _hash.GetCurrentHashAsUInt128();
        _hash.Reset();
        return hash;
    }
}
