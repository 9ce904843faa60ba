using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Everything that belongs into a backup, as it was at one moment soon after the backup's begin; what comes later is in the WAL.</summary>
sealed class FileList
{
    /// <summary>Nothing of PostgreSQL's is nested deeper than five levels; a link back to a parent would never end.</summary>
    const int MaximumDepth = 24;

    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    readonly ServerFacts _facts;
    readonly HashSet<string> _unlogged = new(StringComparer.Ordinal);

    FileList(ServerFacts facts, IReadOnlyList<BackupTablespace> tablespaces)
    {
        _facts = facts;
        Tablespaces = tablespaces;
    }

    public IReadOnlyList<BackupTablespace> Tablespaces { get; }

    public List<BackupFile> Files { get; private set; } = [];

    public List<string> Directories { get; } = [];

    /// <summary>Files with names that cannot be PostgreSQL's and that a restore would refuse.</summary>
    public List<string> LeftOut { get; } = [];

    public long Length { get; private set; }

    /// <summary>Lists the cluster's files and directories.</summary>
    public static async Task<FileList> ReadAsync(SqlSession session, ServerFacts facts, CancellationToken cancellationToken)
    {
        const string Doing = "listing the data directory";
        var list = new FileList(facts, await ReadTablespacesAsync(session, cancellationToken));
        await using (var rows = await session.CopyAsync(Doing, list.Query(), cancellationToken))
        {
            while (await rows.ReadRowAsync(cancellationToken))
            {
                var path = await rows.ReadTextAsync(cancellationToken);
                var decoded = list.Decode(path.Span);
                var length = await rows.ReadInt64Async(cancellationToken);
                var modifiedAt = await rows.ReadInt64Async(cancellationToken);
                var isDirectory = await rows.ReadBooleanAsync(cancellationToken);
                if (decoded is not null && isDirectory is not null)
                {
                    list.Add(decoded, length ?? 0, modifiedAt ?? 0, isDirectory.Value);
                }
            }
        }
        list.Complete();
        return list;
    }

    static async Task<IReadOnlyList<BackupTablespace>> ReadTablespacesAsync(SqlSession session, CancellationToken cancellationToken) =>
        await session.ListAsync(
            "listing the tablespaces",
            "SELECT oid::int8, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid",
            static r => new BackupTablespace((uint)r.GetInt64(0), r.GetString(1), r.GetString(2)),
            cancellationToken);

    string Query()
    {
        var closed = string.Join(',', ClosedDirectories().Select(SqlSession.Quote));
        var links = string.Join(',', Tablespaces.Select(static t => SqlSession.Quote(string.Create(CultureInfo.InvariantCulture, $"pg_tblspc/{t.Oid}"))));
        return $"""
            WITH RECURSIVE tree AS (
                SELECT name AS path, 1 AS depth, s.size, s.modification, s.isdir
                FROM pg_ls_dir('.', true, false) AS name, LATERAL pg_stat_file(name, true) AS s
                UNION ALL
                SELECT t.path || '/' || name, t.depth + 1, s.size, s.modification, s.isdir
                FROM tree AS t, LATERAL pg_ls_dir(t.path, true, false) AS name, LATERAL pg_stat_file(t.path || '/' || name, true) AS s
                WHERE t.isdir AND t.depth < {MaximumDepth} AND t.path <> ALL (ARRAY[{closed}]::text[])
                  AND (t.path !~ '^pg_tblspc/[^/]+$' OR (t.path = ANY (ARRAY[{links}]::text[]) AND name = {SqlSession.Quote(_facts.TablespaceVersionDirectory)}))
            )
            SELECT path, size, extract(epoch FROM modification)::int8, isdir FROM tree
            """;
    }

    // Not descended into. A tablespace inside the data directory is backed up through its link alone.
    IEnumerable<string> ClosedDirectories()
    {
        var home = _facts.DataDirectory.TrimEnd('/') + "/";
        // Links may be relative, as those of a restored cluster are.
        string[] outside = [.. Tablespaces.Select(t => Path.GetFullPath(t.Location, home + "pg_tblspc")), _facts.Settings.GetValueOrDefault("stats_temp_directory", "")];
        return [.. Exclusions.EmptyDirectories, .. outside.Where(d => d.StartsWith(home, StringComparison.Ordinal)).Select(d => d[home.Length..])];
    }

    void Add(string path, long length, long modifiedAt, bool isDirectory)
    {
        if (Exclusions.Contains(path) || IsBelowTemporary(path) || IsUnknownTablespace(path))
        {
            return;
        }
        if (path.Count('/') >= MaximumDepth - 1)
        {
            throw new BarkeepException(ErrorKind.ServerError, $"the data directory is nested too deep at {path}", "a symbolic link there leads back to a directory above it: remove it");
        }
        if (!IsAllowed(path, isDirectory))
        {
            return;
        }
        if (isDirectory)
        {
            Directories.Add(path);
            return;
        }
        var isRelation = RelationFile.TryParse(path, out var relation);
        if (isRelation && relation is { IsInit: true, Segment: 0 })
        {
            _unlogged.Add(relation.Key);
        }
        Files.Add(new(path, length, modifiedAt) { FirstBlock = isRelation ? (long)relation.Segment * _facts.RelationSegmentBlocks : BackupFile.NoBlock });
    }

    void Complete()
    {
        if (_unlogged.Count > 0)
        {
            Files = Files.FindAll(f => !RelationFile.TryParse(f.Path, out var relation) || relation.IsInit || !_unlogged.Contains(relation.Key));
        }
        // The server makes these itself, but only where it finds pg_wal a plain directory; restores depend on nothing.
        Directories.Add("pg_wal/archive_status");
        if (_facts.MajorVersion >= 17)
        {
            Directories.Add("pg_wal/summaries");
        }
        Files.Sort(static (a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        Length = Files.Sum(static f => f.ListedLength);
    }

    // Created after the backup began: replaying the WAL creates it.
    bool IsUnknownTablespace(string path)
    {
        const string Links = "pg_tblspc/";
        if (!path.StartsWith(Links, StringComparison.Ordinal))
        {
            return false;
        }
        var rest = path.AsSpan(Links.Length);
        var slash = rest.IndexOf('/');
        var name = slash < 0 ? rest : rest[..slash];
        return !uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var oid) || !Tablespaces.Any(t => t.Oid == oid);
    }

    static bool IsBelowTemporary(string path) => path.Contains($"/{Exclusions.TemporaryPrefix}", StringComparison.Ordinal);

    bool IsAllowed(string path, bool isDirectory)
    {
        try
        {
            PathGrammar.Check("the data directory", path, isDirectory ? ManifestEntryKind.Directory : ManifestEntryKind.File);
            return true;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.HostilePath)
        {
            LeftOut.Add(path);
            return false;
        }
    }

    string? Decode(ReadOnlySpan<byte> path)
    {
        try
        {
            return Strict.GetString(path);
        }
        catch (DecoderFallbackException)
        {
            LeftOut.Add(Encoding.UTF8.GetString(path));
            return null;
        }
    }
}
