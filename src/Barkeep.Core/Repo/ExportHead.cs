using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>The first member of an exported backup: what the others are, and what they must hash to (docs/format.md, "Exports").</summary>
/// <param name="FileHashes">Of each file of pages, in the manifest's order, over its pages' hashes.</param>
sealed record ExportHead(ExportRecord Record, Manifest Manifest, IReadOnlyList<UInt128> FileHashes)
{
    public const string Name = "barkeep-export";

    /// <summary>Of a manifest that is held in memory as a whole, in bytes.</summary>
    public const int MaxManifestLength = 1 << 30;

    const int Version = 1;
    const string Kind = "export";
    const int HashLength = 16;

    /// <summary>The files of pages, in the order in which they come.</summary>
    public static IEnumerable<ManifestEntry> FilesOf(Manifest manifest) => manifest.Entries.Where(static e => e.Kind == ManifestEntryKind.File);

    public static byte[] Seal(ExportRecord record, ReadOnlySpan<byte> manifest, IReadOnlyList<UInt128> fileHashes)
    {
        var head = Storage.Record.Seal(Kind, Version, record, RepoJson.Default.ExportRecord);
        var bytes = new byte[head.Length + manifest.Length + ((fileHashes.Count + 1) * HashLength)];
        head.CopyTo(bytes, 0);
        manifest.CopyTo(bytes.AsSpan(head.Length));
        for (var i = 0; i < fileHashes.Count; i++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(head.Length + manifest.Length + (i * HashLength)), fileHashes[i]);
        }
        XxHash128.Hash(bytes.AsSpan(0, bytes.Length - HashLength), bytes.AsSpan(bytes.Length - HashLength));
        return bytes;
    }

    /// <exception cref="BarkeepException">Damaged, HostilePath, NewerRepository.</exception>
    public static ExportHead Open(ReadOnlyMemory<byte> bytes)
    {
        var record = Storage.Record.Open(Name, Kind, Version, bytes.Span, RepoJson.Default.ExportRecord, out var length);
        if (!XxHash128.Hash(bytes.Span[..^HashLength]).AsSpan().SequenceEqual(bytes.Span[^HashLength..]))
        {
            throw Storage.Record.Damaged(Name, "its hash does not match");
        }
        Check(record);
        if (record.ManifestLength < 0 || record.ManifestLength > bytes.Length - length - HashLength)
        {
            throw Storage.Record.Damaged(Name, "it has no room for its manifest");
        }
        var manifest = ManifestObject.Parse($"the manifest in {Name}", bytes.Slice(length, record.ManifestLength).ToArray());
        var hashes = bytes.Span[(length + record.ManifestLength)..^HashLength];
        var files = FilesOf(manifest).Count();
        if (hashes.Length != files * HashLength || manifest.Info.BackupId != record.BackupId || manifest.Info.SystemId != record.SystemId || manifest.Info.Contradiction is not null)
        {
            throw Storage.Record.Damaged(Name, "its parts do not belong together");
        }
        var fileHashes = new UInt128[files];
        for (var i = 0; i < files; i++)
        {
            fileHashes[i] = BinaryPrimitives.ReadUInt128BigEndian(hashes[(i * HashLength)..]);
        }
        return new(record, manifest, fileHashes);
    }

    /// <summary>The cluster that it is of.</summary>
    public ClusterIdentity Identity => new(ulong.Parse(Record.SystemId, NumberStyles.None, CultureInfo.InvariantCulture), Record.MajorVersion, new(Record.SegmentSize));

    public BackupId Backup => Manifest.Info.Id;

    /// <summary>Where in the tar a file of pages is.</summary>
    public static string PathOf(ManifestEntry entry, Manifest manifest, string tablespaces)
    {
        foreach (var tablespace in manifest.Info.Tablespaces)
        {
            var link = string.Create(CultureInfo.InvariantCulture, $"pg_tblspc/{tablespace.Oid}");
            if (tablespace.Location != link && entry.Path.StartsWith($"{link}/", StringComparison.Ordinal))
            {
                return string.Create(CultureInfo.InvariantCulture, $"{tablespaces}/{tablespace.Oid}/{entry.Path.AsSpan(link.Length + 1)}");
            }
        }
        return entry.Path;
    }

    static void Check(ExportRecord record)
    {
        var sound = ulong.TryParse(record.SystemId, NumberStyles.None, CultureInfo.InvariantCulture, out _) && BackupId.TryParse(record.BackupId, out _)
            && SegmentSize.TryFrom(record.SegmentSize, out _) && record.Originals is { Length: > 0 } && record.Tablespaces is { Length: > 0 }
            && record.Changed is not null && record.Made is not null && record.Wal is { Count: > 0 } && record.Histories is not null
            && record.Wal.All(static w => w is { Name: not null, Hash: not null, Replaced: not null } && IsSound(w.Replaced))
            && record.Histories.All(static h => h is { Hash: not null, Timeline: > 0 });
        if (!sound)
        {
            throw Storage.Record.Damaged(Name, "its values make no sense");
        }
    }

    // Each byte once.
    static bool IsSound(IReadOnlyList<IReadOnlyList<int>> replaced) => replaced.All(static r => r is { Count: 2 }) && replaced.DistinctBy(static r => r[0]).Count() == replaced.Count;
}
