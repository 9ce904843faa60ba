using System.Text;
using Barkeep.Packs;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>The uncompressed body of a manifest: packs, then entries (docs/format.md, "Manifests"). The reader believes nothing.</summary>
static class ManifestBody
{
    const int MaxPacks = 1 << 22;
    const int MaxEntries = 1 << 26;
    const int MaxPathBytes = 4096;
    const int MaxContentBytes = 16 << 20;
    const long MaxFileLength = 1L << 46;

    // As many runs as room is made for on the manifest's word alone.
    const int MaxTrustedCount = 1 << 14;

    public static void Write(Stream body, IReadOnlyList<string> packs, IReadOnlyList<ManifestEntry> entries)
    {
        using var buffered = new BufferedStream(body, 1 << 16);
        WritePart(buffered, packs, entries);
        buffered.Flush();
    }

    /// <summary>Writes a body that something may follow.</summary>
    /// <param name="buffered">Written byte by byte.</param>
    public static void WritePart(Stream buffered, IReadOnlyList<string> packs, IReadOnlyList<ManifestEntry> entries)
    {
        var writer = new VarintWriter(buffered);
        writer.Number(packs.Count);
        foreach (var pack in packs)
        {
            writer.Bytes(Encoding.UTF8.GetBytes(pack));
        }
        writer.Number(entries.Count);
        byte[] previous = [];
        foreach (var entry in entries)
        {
            var path = Encoding.UTF8.GetBytes(entry.Path);
            var shared = previous.AsSpan().CommonPrefixLength(path);
            writer.Byte((byte)entry.Kind);
            writer.Number(shared);
            writer.Bytes(path.AsSpan(shared));
            WriteContent(writer, entry);
            previous = path;
        }
    }

    public static (List<string> Packs, List<ManifestEntry> Entries) Read(string name, Stream body)
    {
        using var buffered = new BufferedStream(body, 1 << 16);
        var read = ReadPart(name, buffered);
        return buffered.ReadByte() < 0 ? read : throw Record.Damaged(name, "bytes follow its last entry");
    }

    /// <summary>Reads a body that something may follow.</summary>
    /// <param name="buffered">Read byte by byte.</param>
    public static (List<string> Packs, List<ManifestEntry> Entries) ReadPart(string name, Stream buffered)
    {
        var reader = new VarintReader(name, buffered);
        var packs = new List<string>();
        for (var count = reader.Number(MaxPacks); count > 0; count--)
        {
            packs.Add(PackName(name, Encoding.UTF8.GetString(reader.Bytes(MaxPathBytes))));
        }
        var entries = new List<ManifestEntry>();
        var order = new PathOrder(name);
        for (var count = reader.Number(MaxEntries); count > 0; count--)
        {
            var kind = (ManifestEntryKind)reader.Byte();
            var path = order.Next((int)reader.Number(MaxPathBytes), reader.Bytes(MaxPathBytes), kind);
            entries.Add(ReadContent(name, reader, kind, path, packs.Count));
        }
        return (packs, entries);
    }

    static void WriteContent(VarintWriter writer, ManifestEntry entry)
    {
        switch (entry.Kind)
        {
            case ManifestEntryKind.File:
                writer.Number(entry.Length);
                writer.Number(Math.Max(0, entry.ModifiedAt));
                writer.Number(entry.Runs.Count);
                foreach (var run in entry.Runs)
                {
                    writer.Number(((long)run.Count << 1) | (run.IsZeros ? 0L : 1L));
                    if (!run.IsZeros)
                    {
                        writer.Number(run.Pack);
                        writer.Number(run.Ordinal);
                    }
                }
                break;
            case ManifestEntryKind.Inline or ManifestEntryKind.External:
                writer.Bytes(entry.Content.Span);
                break;
        }
    }

    static ManifestEntry ReadContent(string name, VarintReader reader, ManifestEntryKind kind, string path, int packCount)
    {
        switch (kind)
        {
            case ManifestEntryKind.Directory:
                return ManifestEntry.Directory(path);
            case ManifestEntryKind.Inline:
                return ManifestEntry.Inline(path, reader.Bytes(MaxContentBytes));
            case ManifestEntryKind.External:
                return ManifestEntry.External(path, reader.Bytes(MaxContentBytes));
            case ManifestEntryKind.File:
                var length = reader.Number(MaxFileLength);
                var modified = reader.Number(long.MaxValue);
                return new() { Kind = kind, Path = path, Length = length, ModifiedAt = modified, Runs = ReadRuns(name, reader, path, length, packCount) };
            default:
                throw Record.Damaged(name, $"'{path}' is of the unknown kind {(int)kind}");
        }
    }

    static List<PageRun> ReadRuns(string name, VarintReader reader, string path, long length, int packCount)
    {
        var remaining = Page.CountFor(length);
        var count = reader.Number(remaining);
        var runs = new List<PageRun>((int)Math.Min(count, MaxTrustedCount));
        for (; count > 0; count--)
        {
            var head = reader.Number(long.MaxValue);
            var pages = head >> 1;
            if (pages < 1 || pages > remaining || pages > int.MaxValue)
            {
                throw Record.Damaged(name, $"'{path}' has a run of {pages} pages where {remaining} remain");
            }
            remaining -= pages;
            if ((head & 1) == 0)
            {
                runs.Add(PageRun.Zeros((int)pages));
                continue;
            }
            var pack = (int)reader.Number(packCount - 1L);
            var ordinal = (int)reader.Number(PackIndex.MaxPages - 1);
            runs.Add(ordinal + pages <= PackIndex.MaxPages
                ? new((int)pages, pack, ordinal)
                : throw Record.Damaged(name, $"'{path}' has a run beyond its pack"));
        }
        return remaining == 0 ? runs : throw Record.Damaged(name, $"'{path}' lacks {remaining} pages");
    }

    static string PackName(string manifest, string pack) =>
        StoredPack.IsName(pack) ? pack : throw Record.Damaged(manifest, "it names a pack that cannot be one");
}
