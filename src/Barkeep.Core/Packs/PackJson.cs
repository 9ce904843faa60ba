using System.Text.Json.Serialization;

namespace Barkeep.Packs;

/// <summary>How the mark of a damaged pack becomes JSON and back, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DamageMark))]
sealed partial class PackJson : JsonSerializerContext;
