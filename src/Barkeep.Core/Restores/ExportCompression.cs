using System.IO.Compression;
using Barkeep.Common;
using ZstdSharp;

namespace Barkeep.Restores;

/// <summary>How an exported backup is compressed as a whole.</summary>
/// <param name="Suffix">What the tar's name ends in.</param>
public sealed record ExportCompression(string Suffix, Func<Stream, Stream> Compress)
{
    const int DefaultGzipLevel = 6;
    const int DefaultZstdLevel = 3;

    /// <param name="name">none, gzip or zstd.</param>
    /// <param name="level">Null for the usual one.</param>
    /// <exception cref="BarkeepException">Usage.</exception>
    public static ExportCompression Of(string name, int? level) => (name, level) switch
    {
        ("none", null) => new(".tar", static stream => stream),
        ("none", _) => throw new BarkeepException(ErrorKind.Usage, "--compression-level is of no use without --compression"),
        ("gzip", null or (>= 1 and <= 9)) => new(".tar.gz", stream => new GZipStream(stream, new ZLibCompressionOptions { CompressionLevel = level ?? DefaultGzipLevel }, leaveOpen: true)),
        ("gzip", _) => throw new BarkeepException(ErrorKind.Usage, "--compression-level of gzip is 1 to 9"),
        ("zstd", null or (>= 1 and <= 19)) => new(".tar.zst", stream => new CompressionStream(stream, level ?? DefaultZstdLevel, leaveOpen: true)),
        ("zstd", _) => throw new BarkeepException(ErrorKind.Usage, "--compression-level of zstd is 1 to 19"),
        _ => throw new BarkeepException(ErrorKind.Usage, $"--compression {name} is not here", "use none, gzip or zstd"),
    };
}
