using System.Text.Json;
using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>A server's <c>server.json</c>: that it has been set up, when, and what the environment said then.</summary>
/// <param name="Overrides">By key. May hold passwords: the file is its owner's alone. Of a password given by file only the file's name is kept.</param>
public sealed record SetupFile(int Version, DateTimeOffset SetUpAt, IReadOnlyDictionary<string, string> Overrides)
{
    const int Current = 1;

    /// <summary>The servers that have been set up in this home, in no order.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static IReadOnlyList<ServerName> ListServers(Locations locations)
    {
        try
        {
            return Directory.Exists(locations.Home) ? [.. Directory.EnumerateDirectories(locations.Home).SelectMany(Named).Where(s => File.Exists(locations.SetupFile(s)))] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"listing {locations.Home}");
        }

        static IEnumerable<ServerName> Named(string directory) => ServerName.TryParse(Path.GetFileName(directory), out var server) ? [server] : [];
    }

    /// <summary>Whether the server has been set up.</summary>
    /// <exception cref="BarkeepException">Storage: this user may not know.</exception>
    public static bool Exists(string path)
    {
        try
        {
            // File.Exists says no where this user may not look.
            _ = File.GetAttributes(path);
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"looking for {path}");
        }
    }

    /// <summary>Null when the server has not been set up.</summary>
    /// <exception cref="BarkeepException">NewerRepository; Damaged.</exception>
    public static SetupFile? TryRead(string path) =>
        File.Exists(path) ? LocalFile.Read(path, Current, ConfigJson.Default.SetupFile, static s => s.Version) : null;

    /// <summary>Remembers a setup; durable when it returns.</summary>
    public static void Write(string path, DateTimeOffset now, IReadOnlyDictionary<string, string> overrides) =>
        Durable.Replace(path, JsonSerializer.SerializeToUtf8Bytes(new(Current, now, overrides), ConfigJson.Default.SetupFile));
}
