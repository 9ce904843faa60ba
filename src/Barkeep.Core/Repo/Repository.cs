using System.Globalization;
using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>All that is kept of one server: one lineage for each database cluster that it has been (docs/format.md).</summary>
public sealed class Repository
{
    /// <summary>The object that every repository has.</summary>
    public const string FormatName = "format";

    const int Version = 1;
    const string LineagePrefix = "lineages/";

    readonly DirectoryStore _store;

    Repository(DirectoryStore store, List<Lineage> lineages)
    {
        _store = store;
        Lineages = lineages;
    }

    /// <summary>Oldest first; empty before the first setup.</summary>
    public IReadOnlyList<Lineage> Lineages { get; private set; }

    /// <summary>The cluster that the server is now; null before the first setup.</summary>
    public Lineage? Current => Lineages.Count == 0 ? null : Lineages[^1];

    /// <summary>Opens a repository; one that does not exist yet is empty and is not created by looking.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Damaged, Storage.</exception>
    public static Task<Repository> OpenAsync(string directory, CancellationToken cancellationToken) => OpenAsync(new DirectoryStore(directory), cancellationToken);

    /// <inheritdoc cref="OpenAsync(string, CancellationToken)"/>
    public static async Task<Repository> OpenAsync(DirectoryStore store, CancellationToken cancellationToken)
    {
        var format = await store.TryGetAsync(FormatName, Record.MaxPayloadLength, cancellationToken);
        if (format is not null)
        {
            _ = Record.Open(FormatName, "format", Version, format, RepoJson.Default.FormatPayload);
        }
        var lineages = new List<Lineage>();
        foreach (var found in await store.ListAsync(LineagePrefix, cancellationToken))
        {
            lineages.Add(await ReadLineageAsync(store, found.Name, cancellationToken));
        }
        return lineages.Count == 0 || format is not null
            ? new(store, lineages)
            : throw new BarkeepException(ErrorKind.ObjectMissing, $"object {FormatName} is not in {store.Root}, which holds a repository", "the repository has lost it; restore the repository from its copy");
    }

    /// <summary>Makes this cluster the present one, creating the repository if need be. Durable when it returns.</summary>
    /// <returns>Its lineage, new or, when it is the present one already, as it is.</returns>
    /// <exception cref="BarkeepException">WrongSystem when another cluster is the present one and <paramref name="acceptNew"/> is false.</exception>
    public async Task<Lineage> AdoptAsync(ClusterIdentity identity, bool acceptNew, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (Current is { } current)
        {
            if (current.Identity == identity)
            {
                return current;
            }
            if (!acceptNew)
            {
                throw WrongSystem(current.Identity, identity);
            }
        }
        await _store.PutAsync(FormatName, Record.Seal("format", Version, new(), RepoJson.Default.FormatPayload), cancellationToken);
        var number = (Current?.Number ?? 0) + 1;
        var name = LineagePrefix + number.ToString("D4", CultureInfo.InvariantCulture);
        var payload = new Payloads.LineagePayload(identity.SystemId.ToString(CultureInfo.InvariantCulture), identity.MajorVersion, identity.SegmentSize.Bytes, now);
        if (!await _store.PutAsync(name, Record.Seal("lineage", Version, payload, RepoJson.Default.LineagePayload), cancellationToken))
        {
            throw new BarkeepException(ErrorKind.Busy, $"{name} has just been added to {_store.Root} by another process", "run the command again");
        }
        var lineage = new Lineage(_store, number, identity);
        Lineages = [.. Lineages, lineage];
        return lineage;
    }

    /// <summary>Finds a backup in whichever lineage has it.</summary>
    public async Task<(Lineage Lineage, BackupRecord Backup)?> TryFindAsync(BackupId id, CancellationToken cancellationToken)
    {
        foreach (var lineage in Lineages)
        {
            if (await lineage.Backups.TryGetAsync(id, cancellationToken) is { } backup)
            {
                return (lineage, backup);
            }
        }
        return null;
    }

    /// <summary>Removes what interrupted writers left in tmp/.</summary>
    public int SweepUnfinished() => _store.SweepUnfinished();

    /// <summary>The refusal of a cluster that is not the one in the repository.</summary>
    public static BarkeepException WrongSystem(ClusterIdentity known, ClusterIdentity found) => new(
        ErrorKind.WrongSystem,
        $"another database cluster answers: system identifier {found.SystemId} (PostgreSQL {found.MajorVersion}, WAL segments of {found.SegmentSize.Bytes >> 20} MiB), "
            + $"but the repository holds {known.SystemId} (PostgreSQL {known.MajorVersion}, {known.SegmentSize.Bytes >> 20} MiB)",
        "check host and port; after initdb or pg_upgrade run setup-barman --accept-new-system, which keeps the old backups beside the new");

    static async Task<Lineage> ReadLineageAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        var bytes = await store.TryGetAsync(name, Record.MaxPayloadLength, cancellationToken) ?? [];
        var payload = Record.Open(name, "lineage", Version, bytes, RepoJson.Default.LineagePayload);
        if (!int.TryParse(name.AsSpan(LineagePrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || !ulong.TryParse(payload.SystemId, NumberStyles.None, CultureInfo.InvariantCulture, out var systemId)
            || !SegmentSize.TryFrom(payload.SegmentSize, out var segmentSize))
        {
            throw Record.Damaged(name, "its values make no sense");
        }
        return new(store, number, new(systemId, payload.MajorVersion, segmentSize));
    }
}
