using System.Security.Cryptography;
using System.Text;
using Barkeep.Configuration;

namespace Barkeep.Postgres;

/// <summary>
/// What a server stores instead of a password: from it the password can be checked but not told (RFC 5803;
/// PostgreSQL's catalog-pg-authid.html). With it a role gets its password without the password ever being in a script or a log.
/// </summary>
public static class ScramVerifier
{
    // PostgreSQL's own.
    const int Iterations = 4096;
    const int SaltLength = 16;

    /// <summary>A verifier with a salt of its own: <c>SCRAM-SHA-256$4096:salt$StoredKey:ServerKey</c>.</summary>
    public static string For(Secret password)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltLength);
        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(ScramClient.Prepare(password.Reveal())), salt, Iterations, HashAlgorithmName.SHA256, 32);
        var storedKey = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        var serverKey = HMACSHA256.HashData(salted, "Server Key"u8);
        return $"SCRAM-SHA-256${Iterations}:{Convert.ToBase64String(salt)}${Convert.ToBase64String(storedKey)}:{Convert.ToBase64String(serverKey)}";
    }
}
