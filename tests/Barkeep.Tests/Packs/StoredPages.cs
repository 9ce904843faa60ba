using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Tests.Packs;

/// <summary>Puts a file's pages into packs, in the simplest way that the format allows.</summary>
static class StoredPages
{
    public static async Task<ManifestEntry> StoreAsync(string path, byte[] content, PackSeries packs, FrameCodec codec, List<string> names)
    {
        var padded = new byte[Page.CountFor(content.Length) * Page.Size];
        content.CopyTo(padded, 0);
        var runs = new List<PageRun>();
        var total = padded.Length / Page.Size;
        for (var page = 0; page < total;)
        {
            var zeros = IsZeros(padded, page);
            var count = 1;
            while (page + count < total && IsZeros(padded, page + count) == zeros && (zeros || count < Page.PerFrame))
            {
                count++;
            }
            runs.Add(zeros ? PageRun.Zeros(count) : await StoreAsync(padded.AsMemory(page * Page.Size, count * Page.Size), packs, codec, names));
            page += count;
        }
        return new() { Kind = ManifestEntryKind.File, Path = path, Length = content.Length, Runs = runs };
    }

    static async Task<PageRun> StoreAsync(ReadOnlyMemory<byte> frame, PackSeries packs, FrameCodec codec, List<string> names)
    {
        var count = frame.Length / Page.Size;
        var hashes = Enumerable.Range(0, count).Select(i => FrameCodec.HashOf(frame.Span.Slice(i * Page.Size, Page.Size))).ToArray();
        var stored = codec.Encode(frame, out var encoding);
        var place = await packs.AppendAsync(stored, encoding, hashes, default);
        if (!names.Contains(place.Pack))
        {
            names.Add(place.Pack);
        }
        return new(count, names.IndexOf(place.Pack), place.Ordinal);
    }

    static bool IsZeros(byte[] bytes, int page) => !bytes.AsSpan(page * Page.Size, Page.Size).ContainsAnyExcept((byte)0);
}
