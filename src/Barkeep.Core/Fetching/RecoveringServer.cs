using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Fetching;

/// <summary>The server that asks for WAL: PostgreSQL runs its commands in its data directory.</summary>
public sealed class RecoveringServer
{
    const int Tries = 5;

    readonly string _controlPath;

    RecoveringServer(string directory, ControlFile control)
    {
        _controlPath = ControlPath(directory);
        Directory = directory;
        SystemId = control.SystemIdentifier;
    }

    public string Directory { get; }

    public ulong SystemId { get; }

    /// <summary>Null when the directory is no data directory.</summary>
    /// <exception cref="BarkeepException">Damaged, UnsupportedServer, Storage: it is one, and of which cluster cannot be told.</exception>
    public static RecoveringServer? TryFind(string directory) =>
        File.Exists(ControlPath(directory)) ? new(directory, Read(ControlPath(directory))) : null;

    /// <summary>Whether it still recovers; a server that does so for the first time says it only after it has got some WAL.</summary>
    public bool Recovers()
    {
        try
        {
            return Read(_controlPath).State is ClusterState.InArchiveRecovery or ClusterState.InCrashRecovery;
        }
        catch (BarkeepException)
        {
            // The directory is gone, or somebody else's by now.
            return false;
        }
    }

    static string ControlPath(string directory) => Path.Combine(directory, "global", "pg_control");

    // The server may be writing it: what is torn is whole at the next look.
    static ControlFile Read(string path)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return ControlFile.Parse(File.ReadAllBytes(path));
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged && tries < Tries)
            {
                Thread.Sleep(1);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Errno.From(e, $"reading {path}");
            }
        }
    }
}
