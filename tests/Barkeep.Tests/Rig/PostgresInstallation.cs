using Xunit;

namespace Barkeep.Tests.Rig;

/// <summary>
/// One major version of PostgreSQL: the host's package, or a chroot that <c>./dev servers</c> made. A command in a
/// chroot gets mounts of its own (the rig's working root at the same path, /dev and /proc), which end with it,
/// and shares the network and the process ids with the host.
/// </summary>
public sealed class PostgresInstallation
{
    /// <summary>For tests that any version will do for.</summary>
    public const int Default = 15;

    // The script's arguments: chroot, working root, then the command line for chroot(1).
    const string EnterChroot = """
        mount --rbind "$2" "$1$2" && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && shift 2 && exec chroot "$@"
        """;

    readonly string? _chroot;

    PostgresInstallation(int version, string? chroot)
    {
        Version = version;
        _chroot = chroot;
    }

    /// <summary>The major versions that scenario tests run on.</summary>
    public static IReadOnlyList<int> Versions { get; } = [13, 15, 17, 18];

    /// <summary>Those that no Debian has, prepared by <c>./dev servers --all</c>: only slow tests run on them.</summary>
    public static IReadOnlyList<int> SlowVersions { get; } = [14, 16];

    /// <summary>A row for each version there is; <see cref="SlowVersions"/> make slow tests.</summary>
    public static TheoryData<int> VersionRows => [.. Versions, .. SlowVersions.Select(static v => new TheoryDataRow<int>(v).WithTrait("Category", "slow"))];

    public int Version { get; }

    string BinDirectory => $"/usr/lib/postgresql/{Version}/bin";

    /// <exception cref="InvalidOperationException">The version is not on this machine; a test must fail then, never skip.</exception>
    public static PostgresInstallation Of(int version)
    {
        if (File.Exists($"/usr/lib/postgresql/{version}/bin/postgres"))
        {
            return new(version, null);
        }
        var cache = Environment.GetEnvironmentVariable("BARKEEP_TEST_CACHE") ?? "/var/cache/barkeep-test";
        var chroot = Path.Combine(cache, $"pg{version}");
        if (!File.Exists(Path.Combine(chroot, ".ready")))
        {
            throw new InvalidOperationException($"PostgreSQL {version} is not on this machine: run ./dev servers{(SlowVersions.Contains(version) ? " --all" : "")}");
        }
        Directory.CreateDirectory(chroot + RigRoot.Directory);
        return new(version, chroot);
    }

    /// <summary>Runs one of this version's programs as the postgres user.</summary>
    public Task<CommandResult> RunAsync(string tool, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null) =>
        Command.RunAsync(CommandLine(tool, arguments), environment, TimeSpan.FromMinutes(5));

    /// <summary>
    /// The command line that becomes the program, in the same process from first to last: the process id that it is
    /// started with is the program's.
    /// </summary>
    internal string[] CommandLine(string tool, IEnumerable<string> arguments)
    {
        var program = $"{BinDirectory}/{tool}";
        return _chroot is null
            ? ["setpriv", $"--reuid={PostgresUser.Uid}", $"--regid={PostgresUser.Gid}", "--clear-groups", program, .. arguments]
            : ["unshare", "--mount", "--propagation", "private", "sh", "-c", EnterChroot, "sh", _chroot, RigRoot.Directory,
                $"--userspec={PostgresUser.Uid}:{PostgresUser.Gid}", "--groups=", _chroot, program, .. arguments];
    }
}
