using System.Globalization;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Storage;

namespace Barkeep.Restores;

/// <summary>
/// The record of the last restore into a directory: which pages each file was given, and by what it can be told that the file is
/// still what it was then (docs/format.md, "A delta restore, in order").
/// </summary>
sealed class RestoreRecord
{
    public const string FileName = "barkeep.restored";

    const int Version = 2;
    const string Kind = "restored";
    const int MaxLength = 1 << 30;
    const int MaxHeadLength = 1 << 20;
    const string BootIdFile = "/proc/sys/kernel/random/boot_id";

    readonly IReadOnlyDictionary<string, (ManifestEntry Entry, FileState State)> _files;

    RestoreRecord(IReadOnlyList<string> packs, IReadOnlyDictionary<string, (ManifestEntry Entry, FileState State)> files)
    {
        Packs = packs;
        _files = files;
    }

    /// <summary>The packs that the runs of its entries refer to.</summary>
    public IReadOnlyList<string> Packs { get; }

    /// <summary>What a file was given, if it has not been touched since.</summary>
    public ManifestEntry? TryMatch(string path, FileState state) =>
        _files.TryGetValue(path, out var file) && file.State == state ? file.Entry : null;

    /// <summary>Reads it; null when there is none, or none that can be understood and believed.</summary>
    /// <param name="backups">Those of the cluster in the repository at hand.</param>
    public static async Task<RestoreRecord?> TryReadAsync(TargetTree tree, BackupCatalog backups, CancellationToken cancellationToken)
    {
        if (!await IsThereAsync(tree, backups, cancellationToken))
        {
            return null;
        }
        try
        {
            return tree.TryRead(FileName, MaxLength) is { } bytes ? Parse(bytes) : null;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository or ErrorKind.HostilePath)
        {
            return null;
        }
    }

    /// <summary>Whether there is one to be believed, by its head alone.</summary>
    /// <inheritdoc cref="TryReadAsync"/>
    public static async Task<bool> IsThereAsync(TargetTree tree, BackupCatalog backups, CancellationToken cancellationToken) =>
        TryReadHead(tree) is { } head
        && head.IsBelievable(tree.TryRead(ManifestCheck.ControlFile, Wal.ControlFile.FileSize))
        && await head.IsOfAsync(backups, cancellationToken);

    /// <summary>Reads only what it says of itself; null when there is none, or none that can be understood.</summary>
    public static Head? TryReadHead(TargetTree tree)
    {
        if (tree.StatusOf(FileName) is not { IsRegular: true })
        {
            return null;
        }
        using var file = tree.OpenForReading(FileName);
        var start = new byte[MaxHeadLength];
        try
        {
            return Record.Open(FileName, Kind, Version, start.AsSpan(0, tree.Read(file, start, 0, FileName)), RestoreJson.Default.Head, out _);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return null;
        }
    }

    /// <summary>Puts the record of a restore that has written everything but global/pg_control, and flushed it. Durable when it returns.</summary>
    /// <param name="replaced">Paths whose files are no longer what the manifest says.</param>
    public static void Write(RestoreSource source, TargetLayout layout, byte[] control, IReadOnlySet<string> replaced)
    {
        var ticks = layout.Trees.ToDictionary(static t => t, static t => t.NextTick());
        var entries = new List<ManifestEntry>();
        var states = new List<FileState>();
        foreach (var entry in source.Manifest.Entries)
        {
            if (entry.Kind == ManifestEntryKind.Directory)
            {
                entries.Add(entry);
            }
            else if (entry.Kind == ManifestEntryKind.File && entry.Path != ManifestCheck.ControlFile && !replaced.Contains(entry.Path))
            {
                var (tree, path) = layout.Locate(entry.Path);
                // A file that is changed from now on gets a later time than any that is written down here.
                if (tree.StatusOf(path) is { IsRegular: true } status && FileState.Of(status) is { Changed: >= 0, Modified: >= 0 } state && state.Changed < ticks[tree] && state.Length == entry.Length)
                {
                    entries.Add(entry);
                    states.Add(state);
                }
            }
        }
        layout.Main.ReplaceFile(FileName, file => Write(file, HeadOf(source, layout, control), source.Manifest.Packs, entries, states));
    }

    static Head HeadOf(RestoreSource source, TargetLayout layout, byte[] control) => new(
        source.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture), source.Backup.Id.ToString(), Print(source.Manifest.Hash), PresentBootId(), HashOf(control), [.. layout.Trees.Select(RestoredPlace.Of)]);

    // Of 100,000 files it has tens of MB, which memory need not hold.
    static void Write(Stream file, Head head, IReadOnlyList<string> packs, List<ManifestEntry> entries, List<FileState> states) =>
        SealedBody.Write(file, Record.Seal(Kind, Version, head, RestoreJson.Default.Head), FrameCodec.DefaultLevel, body =>
        {
            using var buffered = new BufferedStream(body, 1 << 16);
            ManifestBody.WritePart(buffered, packs, entries);
            var writer = new VarintWriter(buffered);
            foreach (var state in states)
            {
                writer.Number((long)state.Device);
                writer.Number((long)state.Inode);
                writer.Number(state.Length);
                writer.Number(state.Modified);
                writer.Number(state.Changed);
            }
        });

    static RestoreRecord Parse(byte[] bytes)
    {
        _ = Record.Open(FileName, Kind, Version, bytes, RestoreJson.Default.Head, out var length);
        RestoreRecord? record = null;
        SealedBody.Read(FileName, bytes, length, body => record = ReadBody(body));
        return record!;
    }

    static RestoreRecord ReadBody(Stream decompressed)
    {
        using var body = new BufferedStream(decompressed, 1 << 16);
        var (packs, entries) = ManifestBody.ReadPart(FileName, body);
        var reader = new VarintReader(FileName, body);
        var files = new Dictionary<string, (ManifestEntry, FileState)>(entries.Count, StringComparer.Ordinal);
        foreach (var entry in entries.Where(static e => e.Kind == ManifestEntryKind.File))
        {
            var (device, inode) = ((ulong)reader.Number(long.MaxValue), (ulong)reader.Number(long.MaxValue));
            files.Add(entry.Path, (entry, new(device, inode, reader.Number(long.MaxValue), reader.Number(long.MaxValue), reader.Number(long.MaxValue))));
        }
        return new(packs, files);
    }

    static string HashOf(byte[] content) => Convert.ToHexStringLower(XxHash128.Hash(content));

    static string? Print(UInt128? hash) => hash?.ToString("x32", CultureInfo.InvariantCulture);

    // Another one after every start of the machine (random(4)); empty where it is hidden.
    static string PresentBootId()
    {
        try
        {
            return File.ReadAllText(BootIdFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <param name="ManifestHash">Of that backup's manifest; null in records of older versions.</param>
    /// <param name="BootId">The machine's, as it was when the record was written.</param>
    /// <param name="ControlHash">Of global/pg_control as it was restored.</param>
    /// <param name="Places">The directories that were written to, the target first.</param>
    internal sealed record Head(string SystemId, string BackupId, string? ManifestHash, string BootId, string ControlHash, IReadOnlyList<RestoredPlace> Places)
    {
        /// <summary>
        /// Whether the times in it can be believed. A write reaches the disk before its time does, so that after a power cut a file may look
        /// untouched that a server wrote to: then only a directory that no server has been started on is believed.
        /// </summary>
        /// <param name="control">The content of global/pg_control, which a server changes before anything else; null when it is not there.</param>
        public bool IsBelievable(byte[]? control) =>
            (BootId.Length > 0 && BootId == PresentBootId()) || (control is not null && HashOf(control) == ControlHash);

        /// <summary>
        /// Whether the packs that it names are those of this repository: another one of the same cluster gives the same names to others. They are where the very manifest is
        /// that was restored, in a copy of the repository too.
        /// </summary>
        public async Task<bool> IsOfAsync(BackupCatalog backups, CancellationToken cancellationToken) =>
            ManifestHash is not null && Common.BackupId.TryParse(BackupId, out var id) && Print(await backups.TryGetManifestHashAsync(id, cancellationToken)) == ManifestHash;
    }
}
