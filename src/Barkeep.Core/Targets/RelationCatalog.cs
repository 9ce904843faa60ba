using System.Buffers.Binary;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Targets;

/// <summary>Names of relations and databases by their numbers, read from the system catalogs in a backup. Needs no server.</summary>
public sealed class RelationCatalog
{
    const uint Classes = 1259;
    const uint Namespaces = 2615;
    const uint Databases = 1262;

    // pg_class of a million relations.
    const int MaxLength = 512 << 20;

    readonly StoredFile _file;
    readonly int _majorVersion;
    readonly List<string> _maps;
    readonly Dictionary<uint, string> _databases = [];
    readonly Dictionary<(uint Database, uint File), RelationName> _byFile = [];
    readonly Dictionary<(uint Database, uint Relation), RelationName> _byNumber = [];

    RelationCatalog(StoredFile file, Manifest manifest)
    {
        _file = file;
        _majorVersion = manifest.Info.MajorVersion;
        _maps = [.. manifest.Entries.Where(static e => e.Path.EndsWith("/pg_filenode.map", StringComparison.Ordinal)).Select(static e => e.Path)];
    }

    /// <summary>Reads the catalogs of some databases.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository, Storage.</exception>
    public static async Task<RelationCatalog> ReadAsync(Lineage lineage, BackupId backup, IEnumerable<uint> databases, CancellationToken cancellationToken)
    {
        var manifest = await lineage.Backups.ReadManifestAsync(backup, cancellationToken);
        using var file = new StoredFile(lineage.Packs, manifest);
        var catalog = new RelationCatalog(file, manifest);
        await catalog.ReadDatabasesAsync(cancellationToken);
        foreach (var database in databases.Distinct())
        {
            await catalog.ReadRelationsAsync(database, cancellationToken);
        }
        return catalog;
    }

    public string? FindDatabase(uint database) => _databases.GetValueOrDefault(database);

    /// <summary>By the number of its file.</summary>
    public RelationName? FindFile(uint database, uint file) => _byFile.GetValueOrDefault((database, file));

    /// <summary>By its own number.</summary>
    public RelationName? FindRelation(uint database, uint relation) => _byNumber.GetValueOrDefault((database, relation));

    async Task ReadDatabasesAsync(CancellationToken cancellationToken)
    {
        foreach (var tuple in await TuplesAsync("global", Databases, cancellationToken))
        {
            if (tuple.Length >= 68)
            {
                _databases[Number(tuple, 0)] = CatalogTuples.Name(tuple.Span[4..]);
            }
        }
    }

    async Task ReadRelationsAsync(uint database, CancellationToken cancellationToken)
    {
        if (_maps.FirstOrDefault(m => m.EndsWith($"/{database}/pg_filenode.map", StringComparison.Ordinal)) is not { } map)
        {
            return;
        }
        var directory = map[..map.LastIndexOf('/')];
        // pg_class.h, the columns of fixed width; version 18 has one more before relkind.
        var kindAt = _majorVersion < 18 ? 115 : 119;
        var classes = (await TuplesAsync(directory, Classes, cancellationToken)).Where(t => t.Length > kindAt).ToList();
        var spaceFile = classes.Where(static t => Number(t, 0) == Namespaces).Select(static t => Number(t, 88)).LastOrDefault();
        var schemas = new Dictionary<uint, string>();
        foreach (var tuple in await ReadAsync($"{directory}/{(spaceFile == 0 ? Namespaces : spaceFile)}", cancellationToken))
        {
            if (tuple.Length >= 68)
            {
                schemas[Number(tuple, 0)] = CatalogTuples.Name(tuple.Span[4..]);
            }
        }
        var databaseName = _databases.GetValueOrDefault(database, $"{database}");
        foreach (var tuple in classes)
        {
            var schema = Number(tuple, 68);
            var name = new RelationName(databaseName, schemas.GetValueOrDefault(schema, $"{schema}"), CatalogTuples.Name(tuple.Span[4..]), (char)tuple.Span[kindAt]);
            _byNumber[(database, Number(tuple, 0))] = name;
            _byFile[(database, Number(tuple, 88))] = name;
        }
        _byFile.Remove((database, 0));
    }

    async Task<IReadOnlyList<ReadOnlyMemory<byte>>> TuplesAsync(string directory, uint mapped, CancellationToken cancellationToken)
    {
        var map = await _file.TryReadAsync($"{directory}/pg_filenode.map", MaxLength, cancellationToken) ?? [];
        return await ReadAsync($"{directory}/{CatalogTuples.MappedFile(map, mapped)}", cancellationToken);
    }

    async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(string path, CancellationToken cancellationToken) =>
        [.. CatalogTuples.Of(await _file.TryReadAsync(path, MaxLength, cancellationToken) ?? [])];

    static uint Number(ReadOnlyMemory<byte> tuple, int at) => BinaryPrimitives.ReadUInt32LittleEndian(tuple.Span[at..]);
}
