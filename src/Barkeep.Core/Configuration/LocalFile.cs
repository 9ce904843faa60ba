using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>Reads the small versioned JSON files that belong to this machine.</summary>
static class LocalFile
{
    /// <exception cref="BarkeepException">NewerRepository; Damaged; Storage.</exception>
    public static T Read<T>(string path, int current, JsonTypeInfo<T> type, Func<T, int> version)
    {
        try
        {
            var value = JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
            if (value is not null && version(value) > current)
            {
                throw new BarkeepException(ErrorKind.NewerRepository, $"{path} has version {version(value)}, and this program reads up to {current}", "use the newer barkeep that wrote it");
            }
            return value is not null && version(value) > 0
                ? value
                : throw new BarkeepException(ErrorKind.Damaged, $"{path} has no version", "restore it from a copy");
        }
        catch (JsonException e)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"{path} is damaged: {e.Message}", "restore it from a copy, or run setup-barman again after removing it", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading {path}");
        }
    }
}
