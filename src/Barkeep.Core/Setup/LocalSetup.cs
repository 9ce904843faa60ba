using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Setup;

/// <summary>The part of a setup that stays on this machine.</summary>
public sealed class LocalSetup(ConfigReader reader, ServerName server, TimeProvider time)
{
    const string FileSuffix = "_file";

    /// <summary>This installation gets its id, before the configuration is read: the default slot name has it. Durable when it returns.</summary>
    public void MakeInstallation() => Installation.ReadOrCreate(reader.Locations.InstallationFile);

    /// <summary>
    /// Remembers what the environment says, beside what it said at earlier setups, so that a crontab and a receiver
    /// need no environment of their own. Of a secret given by file only the file's path is kept. Durable when it returns.
    /// </summary>
    /// <returns>Whether anything that a running receiver uses may have changed: what is remembered, or the server's file since.</returns>
    public bool Remember()
    {
        var path = reader.Locations.SetupFile(server);
        var known = SetupFile.TryRead(path);
        var overrides = new Dictionary<string, string>(known?.Overrides ?? new Dictionary<string, string>(), StringComparer.Ordinal);
        foreach (var (key, value) in reader.ReadOverrides(server))
        {
            // A key and its file are two ways to say one thing.
            overrides.Remove(key.EndsWith(FileSuffix, StringComparison.Ordinal) ? key[..^FileSuffix.Length] : key + FileSuffix);
            overrides[key] = value;
        }
        var same = known is not null && known.Overrides.Count == overrides.Count && overrides.All(o => known.Overrides.TryGetValue(o.Key, out var value) && value == o.Value)
            && File.GetLastWriteTimeUtc(reader.Locations.ConfigFile(server)) < known.SetUpAt;
        SetupFile.Write(path, time.GetUtcNow(), overrides);
        return !same;
    }

    /// <summary>Refuses a cluster that is not the one in the repository, before anything is written.</summary>
    /// <exception cref="BarkeepException">WrongSystem.</exception>
    public async Task CheckIdentityAsync(ClusterIdentity identity, bool acceptNew, CancellationToken cancellationToken)
    {
        var repository = await Repository.OpenAsync(reader.Locations.RepositoryDirectory(server), cancellationToken);
        if (!acceptNew && repository.Current is { } current && current.Identity != identity)
        {
            throw Repository.WrongSystem(current.Identity, identity);
        }
    }

    /// <summary>Makes the cluster the one that the repository takes. Durable when it returns.</summary>
    /// <exception cref="BarkeepException">WrongSystem when it has another one and <paramref name="acceptNew"/> is false.</exception>
    public async Task AdoptAsync(ClusterIdentity identity, bool acceptNew, CancellationToken cancellationToken)
    {
        var repository = await Repository.OpenAsync(reader.Locations.RepositoryDirectory(server), cancellationToken);
        await repository.AdoptAsync(identity, acceptNew, time.GetUtcNow(), cancellationToken);
    }
}
