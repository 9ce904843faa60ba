using System.Collections;
using System.Text.Json;
using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>
/// Finds out what is configured. For each key the last of these counts: its default; the server's JSON file; what the
/// environment said when the server was set up (so that a host's crontab need not repeat it); what it says now.
/// </summary>
/// <param name="environment">The process's variables.</param>
public sealed class ConfigReader(Locations locations, IReadOnlyDictionary<string, string> environment)
{
    const string FileSuffix = "_file";

    public Locations Locations { get; } = locations;

    /// <summary>This process's variables.</summary>
    public static IReadOnlyDictionary<string, string> Environment() =>
        System.Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(static e => (string)e.Key, static e => (string?)e.Value ?? "");

    /// <summary>
    /// The servers that have a file or were set up here, by name. Of those that have lost their file, as where a volume is not mounted, <see cref="Read"/>
    /// says so: they must not be passed over.
    /// </summary>
    /// <exception cref="BarkeepException">Configuration: there is no such directory, or a file's name is no server's. Storage.</exception>
    public IReadOnlyList<ServerName> ListServers() => [.. ListConfigured().Union(SetupFile.ListServers(Locations)).Order()];

    /// <summary>For a name that is no server's.</summary>
    public BarkeepException Unknown(string name) => new(ErrorKind.UnknownServer, $"unknown server '{name}'", $"configured in {Locations.ConfigDirectory}: {Known()}");

    IReadOnlyList<ServerName> ListConfigured()
    {
        if (!Directory.Exists(Locations.ConfigDirectory))
        {
            throw new BarkeepException(ErrorKind.Configuration, $"the configuration directory {Locations.ConfigDirectory} does not exist", "create it, or set BARKEEP_CONFIG_DIR");
        }
        return [.. Directory.EnumerateFiles(Locations.ConfigDirectory, "*.json").Select(static f => ServerName.Parse(Path.GetFileNameWithoutExtension(f))).Order()];
    }

    /// <summary>One server's configuration.</summary>
    /// <exception cref="BarkeepException">UnknownServer; Configuration: malformed JSON, an unknown key, a value out of range, an unreadable file.</exception>
    public ServerConfig Read(ServerName server)
    {
        if (!File.Exists(Locations.ConfigFile(server)))
        {
            throw File.Exists(Locations.SetupFile(server)) ? Lost(server) : Unknown(server.ToString());
        }
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        Add(values, ReadFile(Locations.ConfigFile(server)));
        if (SetupFile.TryRead(Locations.SetupFile(server)) is { } setup)
        {
            Add(values, setup.Overrides);
        }
        Add(values, ReadOverrides(server));
        return new ConfigValues(server, ReadFiles(server, values)).ToServerConfig(Installation.TryRead(Locations.InstallationFile));
    }

    /// <summary>Where each key of a server's configuration has its value from, for people; a key that is not there has its default.</summary>
    /// <exception cref="BarkeepException">As <see cref="Read"/>.</exception>
    public IReadOnlyDictionary<string, string> ReadSources(ServerName server)
    {
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        void Note(IReadOnlyDictionary<string, string> values, Func<string, string> source)
        {
            foreach (var key in values.Keys)
            {
                sources[key.EndsWith(FileSuffix, StringComparison.Ordinal) ? key[..^FileSuffix.Length] : key] = source(key);
            }
        }
        Note(ReadFile(Locations.ConfigFile(server)), _ => Locations.ConfigFile(server));
        Note(SetupFile.TryRead(Locations.SetupFile(server))?.Overrides ?? new Dictionary<string, string>(), _ => "environment at setup");
        Note(ReadOverrides(server), key => $"environment variable {server.VariablePrefix}{key.ToUpperInvariant()}");
        return sources;
    }

    /// <summary>What the environment overrides now, by key; a key may end in <c>_file</c>.</summary>
    /// <exception cref="BarkeepException">Configuration: an unknown key.</exception>
    public IReadOnlyDictionary<string, string> ReadOverrides(ServerName server)
    {
        var prefix = server.VariablePrefix;
        var longer = ListServers().Select(static s => s.VariablePrefix).Where(p => p.Length > prefix.Length && p.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        var overrides = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (variable, value) in environment)
        {
            if (variable.StartsWith(prefix, StringComparison.Ordinal) && !longer.Exists(p => variable.StartsWith(p, StringComparison.Ordinal)))
            {
                var key = variable[prefix.Length..].ToLowerInvariant();
                CheckKey(key, $"environment variable {variable}");
                overrides[key] = value;
            }
        }
        return overrides;
    }

    static void Add(Dictionary<string, string> values, IReadOnlyDictionary<string, string> more)
    {
        foreach (var (key, value) in more)
        {
            // A key and its file are two ways to say one thing: the later one counts.
            values.Remove(key.EndsWith(FileSuffix, StringComparison.Ordinal) ? key[..^FileSuffix.Length] : key + FileSuffix);
            values[key] = value;
        }
    }

    static Dictionary<string, string> ReadFiles(ServerName server, Dictionary<string, string> values)
    {
        foreach (var (key, path) in values.Where(static v => v.Key.EndsWith(FileSuffix, StringComparison.Ordinal)).ToList())
        {
            values.Remove(key);
            try
            {
                values[key[..^FileSuffix.Length]] = File.ReadAllText(path).TrimEnd('\r', '\n');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                throw new BarkeepException(ErrorKind.Configuration, $"server {server}: {key} names a file that cannot be read: {Errno.ReasonOf(e, key)}", "correct the path or its permissions", e);
            }
        }
        return values;
    }

    static Dictionary<string, string> ReadFile(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new BarkeepException(ErrorKind.Configuration, $"{path} is not a JSON object", "write it as { \"host\": \"db\", … }");
            }
            var values = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var property in document.RootElement.EnumerateObject())
            {
                CheckKey(property.Name, path);
                values[property.Name] = property.Value.ValueKind switch
                {
                    JsonValueKind.String => property.Value.GetString()!,
                    JsonValueKind.Number => property.Value.GetRawText(),
                    JsonValueKind.Null => "",
                    _ => throw new BarkeepException(ErrorKind.Configuration, $"{path}: {property.Name} is neither a string nor a number", "write it as one of them"),
                };
            }
            return values;
        }
        catch (JsonException e)
        {
            throw new BarkeepException(ErrorKind.Configuration, $"{path} is malformed JSON: {e.Message}", "correct the file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BarkeepException(ErrorKind.Configuration, $"{path} cannot be read: {Errno.ReasonOf(e, path)}", $"let the user that runs this (uid {NativeMethods.EffectiveUser()}) read it", e);
        }
    }

    static void CheckKey(string key, string where)
    {
        var name = key.EndsWith(FileSuffix, StringComparison.Ordinal) ? key[..^FileSuffix.Length] : key;
        if (ConfigKey.Find(name) is null)
        {
            throw new BarkeepException(ErrorKind.Configuration, $"{where}: unknown key '{key}'", $"valid keys: {ConfigKey.Names}; each also with {FileSuffix}");
        }
    }

    BarkeepException Lost(ServerName server) => new(
        ErrorKind.UnknownServer,
        $"server {server} is set up in {Locations.ServerDirectory(server)}, but its configuration {Locations.ConfigFile(server)} is gone: it is not backed up",
        $"put the file back; or, to back it up no more, remove {Locations.SetupFile(server)}: what is stored can still be restored");

    string Known() => Directory.Exists(Locations.ConfigDirectory) && ListConfigured() is { Count: > 0 } servers ? string.Join(", ", servers) : "none";
}
