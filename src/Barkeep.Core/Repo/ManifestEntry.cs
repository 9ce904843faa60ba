using Barkeep.Packs;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>One file or directory of a backup.</summary>
public sealed record ManifestEntry
{
    public required ManifestEntryKind Kind { get; init; }

    /// <summary>Relative to the data directory, with <c>/</c>: <c>base/16384/2619</c>. Absolute for an external file.</summary>
    public required string Path { get; init; }

    /// <summary>Bytes.</summary>
    public long Length { get; init; }

    /// <summary>Last modification on the server, seconds since 1970 UTC.</summary>
    public long ModifiedAt { get; init; }

    /// <summary>A file's pages from the first to the last; they add up to its length, rounded up to pages.</summary>
    public IReadOnlyList<PageRun> Runs { get; init; } = [];

    /// <summary>An inline or external file's bytes.</summary>
    public ReadOnlyMemory<byte> Content { get; init; }

    public static ManifestEntry Directory(string path) => new() { Kind = ManifestEntryKind.Directory, Path = path };

    public static ManifestEntry Inline(string path, byte[] content) =>
        new() { Kind = ManifestEntryKind.Inline, Path = path, Length = content.Length, Content = content };

    public static ManifestEntry External(string path, byte[] content) =>
        new() { Kind = ManifestEntryKind.External, Path = path, Length = content.Length, Content = content };

    /// <summary>The order of entries in a manifest: by the path's UTF-8 bytes.</summary>
    public static int ComparePaths(string a, string b) => Utf8Order.Compare(a, b);
}
