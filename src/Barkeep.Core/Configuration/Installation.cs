using System.Security.Cryptography;
using System.Text.Json;
using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>This installation: a random id, made once, that tells its slots from another's.</summary>
/// <param name="Id">Six hexadecimal digits.</param>
public sealed record Installation(int Version, string Id)
{
    const int Current = 1;

    /// <summary>Null before the first setup.</summary>
    /// <exception cref="BarkeepException">NewerRepository; Damaged.</exception>
    public static Installation? TryRead(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }
        var installation = LocalFile.Read(path, Current, ConfigJson.Default.Installation, static i => i.Version);
        return installation.Id.Length == 6 && installation.Id.All(char.IsAsciiHexDigitLower)
            ? installation
            : throw new BarkeepException(ErrorKind.Damaged, $"{path} holds no installation id", "restore it from a copy, or name the slot with slot_name and remove the file");
    }

    /// <summary>Reads the id, making it first if there is none. Durable when it returns.</summary>
    public static Installation ReadOrCreate(string path)
    {
        if (TryRead(path) is { } known)
        {
            return known;
        }
        var made = new Installation(Current, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3)));
        Durable.Replace(path, JsonSerializer.SerializeToUtf8Bytes(made, ConfigJson.Default.Installation));
        return made;
    }
}
