using System.Globalization;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>What is true of a server for the length of a backup, read once.</summary>
public sealed record ServerFacts
{
    const int OldestMajor = 13;
    const int NewestMajor = 18;

    /// <summary>server_version_num: 150018.</summary>
    public required int VersionNumber { get; init; }

    /// <summary>Which server it is, of those that share an address.</summary>
    public required ServerInstance Instance { get; init; }

    public ulong SystemId => Instance.SystemId;

    public required SegmentSize SegmentSize { get; init; }

    /// <summary>Blocks in one file of a large relation.</summary>
    public required int RelationSegmentBlocks { get; init; }

    public required string DataDirectory { get; init; }

    public required bool DataChecksums { get; init; }

    /// <summary>Directories 0750 and files 0640 (initdb --allow-group-access).</summary>
    public required bool GroupAccess { get; init; }

    /// <summary>minimal, replica or logical.</summary>
    public required string WalLevel { get; init; }

    /// <summary>Whether the server is a standby.</summary>
    public bool IsInRecovery => Instance.IsInRecovery;

    /// <summary>The last checkpoint's timeline.</summary>
    public required TimelineId Timeline { get; init; }

    /// <summary>The last part of a tablespace's path that belongs to this version: <c>PG_15_202209061</c>.</summary>
    public required string TablespaceVersionDirectory { get; init; }

    /// <summary>The database that the session is connected to.</summary>
    public required uint DatabaseOid { get; init; }

    /// <summary>The settings that are not defaults, by name, as pg_settings shows them.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    public int MajorVersion => VersionNumber / 10_000;

    /// <summary>Reads the facts.</summary>
    /// <exception cref="BarkeepException">UnsupportedServer: version or build; WalLevelMinimal is the caller's to throw.</exception>
    public static async Task<ServerFacts> ReadAsync(SqlSession session, CancellationToken cancellationToken)
    {
        const string Doing = "reading the server's properties";
        CheckVersion(session.VersionNumber);
        var settings = (await session.ListAsync(Doing, "SELECT name, setting, source FROM pg_settings",
            static r => (Name: r.GetString(0), Value: r.IsDBNull(1) ? "" : r.GetString(1), Source: r.GetString(2)), cancellationToken)).ToDictionary(static s => s.Name);
        if (!settings.ContainsKey("data_directory"))
        {
            throw new BarkeepException(ErrorKind.MissingGrant, "the backup role cannot read the server's settings", "GRANT pg_read_all_settings to it");
        }
        string Value(string name) => settings.TryGetValue(name, out var setting) ? setting.Value : "";
        long Number(string name) => long.Parse(Value(name), NumberStyles.None, CultureInfo.InvariantCulture);
        CheckBuild("block_size", Number("block_size"), DataPage.Size);
        CheckBuild("wal_block_size", Number("wal_block_size"), 8192);
        var identity = (await session.ListAsync(Doing,
            """
            SELECT s.catalog_version_no, c.timeline_id, d.oid::int8, current_setting('server_version_num')::int4
            FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()
            """,
            static r => (Catalog: r.GetInt32(0), Timeline: r.GetInt32(1), Database: r.GetInt64(2), Version: r.GetInt32(3)),
            cancellationToken))[0];
        return new()
        {
            VersionNumber = identity.Version,
            Instance = await ServerInstance.ReadAsync(session, cancellationToken),
            SegmentSize = new((int)Number("wal_segment_size")),
            RelationSegmentBlocks = (int)Number("segment_size"),
            DataDirectory = Value("data_directory"),
            DataChecksums = Value("data_checksums") == "on",
            GroupAccess = Value("data_directory_mode") == "0750",
            WalLevel = Value("wal_level"),
            Timeline = new((uint)identity.Timeline),
            TablespaceVersionDirectory = $"PG_{identity.Version / 10_000}_{identity.Catalog}",
            DatabaseOid = (uint)identity.Database,
            Settings = settings.Values.Where(static s => s.Source is not ("default" or "session" or "client" or "override"))
                .ToDictionary(static s => s.Name, static s => s.Value),
        };
    }

    static void CheckVersion(int number)
    {
        var major = number / 10_000;
        if (major is < OldestMajor or > NewestMajor)
        {
            throw new BarkeepException(
                ErrorKind.UnsupportedServer,
                $"the server is PostgreSQL {major}, and this version of Barkeep knows {OldestMajor} to {NewestMajor}",
                major > NewestMajor ? "use a newer Barkeep" : $"upgrade the server to {OldestMajor} or later");
        }
    }

    static void CheckBuild(string setting, long value, long expected)
    {
        if (value != expected)
        {
            throw new BarkeepException(ErrorKind.UnsupportedServer, $"the server was built with {setting} {value}, and Barkeep knows {expected} only");
        }
    }
}
