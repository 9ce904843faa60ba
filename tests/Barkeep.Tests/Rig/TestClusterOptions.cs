namespace Barkeep.Tests.Rig;

/// <summary>How a test's cluster is made.</summary>
public sealed record TestClusterOptions
{
    /// <summary>Major version.</summary>
    public int Version { get; init; } = PostgresInstallation.Default;

    /// <summary>Size of a WAL segment in MiB; small ones make WAL tests fast.</summary>
    public int WalSegmentSizeMb { get; init; } = 1;

    /// <summary>Whether pages carry checksums.</summary>
    public bool Checksums { get; init; } = true;

    /// <summary>Trust instead of passwords (SCRAM).</summary>
    public bool TrustAuthentication { get; init; }

    /// <summary>Whether the server flushes. Without, kill -9 still loses nothing: the page cache outlives the process.</summary>
    public bool Fsync { get; init; }

    /// <summary>More lines of postgresql.conf; the last one of a name counts.</summary>
    public IReadOnlyList<string> Configuration { get; init; } = [];

    /// <summary>More lines of pg_hba.conf, before the usual ones.</summary>
    public IReadOnlyList<string> HostBasedAuthentication { get; init; } = [];
}
