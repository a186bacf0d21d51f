<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr" sourcelanguage="en">
    <context>
        <name>app</name>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>There is nothing to answer</source>
            <translation>Il n’y a rien à quoi répondre</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>The conversation does not end with a message of yours.</source>
            <translation>La conversation ne se termine pas par un message de votre part.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Write a message first.</source>
            <translation>Écrivez d’abord un message.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} cannot chat</source>
            <translation>{model} ne peut pas converser</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>It was made for embeddings or for ranking texts and cannot write.</source>
            <translation>Il a été conçu pour les embeddings ou le classement de textes et ne peut pas écrire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a chat model.</source>
            <translation>Choisissez un modèle de chat.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} was not trained for chat</source>
            <translation>{model} n’a pas été entraîné pour le chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Its file has no chat template: it is a base model, which continues a text instead of answering.</source>
            <translation>Son fichier n’a pas de modèle de conversation (chat template) : c’est un modèle de base, qui poursuit un texte au lieu de répondre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a model with “Instruct” or “Chat” in its name. If this one was trained for chat after all, name a template in its extra arguments, for example --chat-template chatml.</source>
            <translation>Choisissez un modèle dont le nom contient « Instruct » ou « Chat ». Si celui-ci a tout de même été entraîné pour le chat, indiquez un modèle de conversation dans ses arguments supplémentaires, par exemple --chat-template chatml.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>{model} cannot see pictures</source>
            <translation>{model} ne peut pas voir les images</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>The conversation has pictures, and this model reads text only.</source>
            <translation>La conversation contient des images, et ce modèle ne lit que du texte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/chatting.py" />
            <source>Choose a model that can see, or start a conversation without pictures.</source>
            <translation>Choisissez un modèle qui peut voir, ou commencez une conversation sans images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>This is not a repository</source>
            <translation>Ce n’est pas un dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>“{text}” is the address of a file.</source>
            <translation>« {text} » est l’adresse d’un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Enter its owner and name: owner/repository</source>
            <translation>Indiquez son propriétaire et son nom : propriétaire/dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>{name} ({size:,} bytes) is the best of {count} files for this computer. {reason}</source>
            <translation>Sur {count} fichiers, {name} ({size:,} octets) est le meilleur pour cet ordinateur. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>No file in {repository} fits in this computer's memory</source>
            <translation>Aucun fichier de {repository} ne tient dans la mémoire de cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>The smallest, {name}, needs {need:,.1f} GiB, but only {room:,.1f} GiB can be used.</source>
            <translation>Le plus petit, {name}, demande {need:,.1f} Gio, mais seuls {room:,.1f} Gio sont utilisables.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Choose a smaller model, or name the file to download it anyway: {example}</source>
            <translation>Choisissez un modèle plus petit, ou indiquez le fichier pour le télécharger quand même : {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is too large</source>
            <translation>{name} est trop grand</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The limit is {count} MB of text at a time.</source>
            <translation>La limite est de {count} Mo de texte à la fois.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is not text</source>
            <translation>{name} n’est pas un texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>It is not encoded in UTF-8.</source>
            <translation>Il n’est pas codé en UTF-8.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Save it as UTF-8 text, or choose another file.</source>
            <translation>Enregistrez-le en texte UTF-8, ou choisissez-en un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} could not be read</source>
            <translation>{name} ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Check that you have permission to read it.</source>
            <translation>Vérifiez que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Results cannot be saved as {kind}</source>
            <translation>Les résultats ne peuvent pas être enregistrés sous forme de {kind}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>a file without an extension</source>
            <translation>fichier sans extension</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The name must end in {names}.</source>
            <translation>Le nom doit se terminer par {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>You need to accept the publisher's terms first</source>
            <translation>Vous devez d’abord accepter les conditions de l’éditeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{name}: {cost}. It contains files under the terms of {owners}.</source>
            <translation>{name} : {cost}. Il comporte des fichiers soumis aux conditions de {owners}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To accept them, run: powerinfer-tray engines install {id} --yes</source>
            <translation>Pour les accepter : powerinfer-tray engines install {id} --yes</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>You already have the best engine for this computer</source>
            <translation>Vous avez déjà le meilleur moteur pour cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To install another one anyway, give its ID. To list the engines, run: powerinfer-tray engines list</source>
            <translation>Pour en installer un autre malgré tout, indiquez son identifiant. Pour la liste des moteurs : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Paused</source>
            <translation>En pause</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{size:,} bytes have been downloaded.</source>
            <translation>{size:,} octets ont été téléchargés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Run the same command again to continue.</source>
            <translation>Exécutez de nouveau la même commande pour continuer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>There is no engine called “{id}”</source>
            <translation>Il n’y a pas de moteur « {id} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>No engine with this name is available for this computer.</source>
            <translation>Aucun moteur de ce nom n’est disponible pour cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>To list the available engines, run: powerinfer-tray engines list</source>
            <translation>Pour la liste des moteurs disponibles : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>The engine “{id}” is in use</source>
            <translation>Le moteur « {id} » est utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>It is running {models}.</source>
            <translation>Il exécute {models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>Stop the server or unload these models first, or choose another engine for them.</source>
            <translation>Arrêtez d’abord le serveur, déchargez ces modèles, ou choisissez-leur un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>{name} is not in the models folder</source>
            <translation>{name} n’est pas dans le dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Only the model chosen in the setting “Model” may be in another folder. Requests could not name any other.</source>
            <translation>Seul le modèle choisi dans le réglage « Modèle » peut se trouver dans un autre dossier. Les requêtes ne pourraient pas en nommer un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Import it: powerinfer-tray models import PATH</source>
            <translation>Importez-le : powerinfer-tray models import CHEMIN</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>{model} is not loaded</source>
            <translation>{model} n’est pas chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>No engine is running it.</source>
            <translation>Aucun moteur ne l’exécute.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>To list the loaded models, run: powerinfer-tray ps</source>
            <translation>Pour la liste des modèles chargés : powerinfer-tray ps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>The engine did not stop in time</source>
            <translation>Le moteur ne s’est pas arrêté à temps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>It is still using the model file.</source>
            <translation>Il utilise encore le fichier du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/loaded_models.py" />
            <source>Try again in a moment.</source>
            <translation>Réessayez dans un instant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is in use by the server</source>
            <translation>{name} est utilisé par le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The engine is using the file.</source>
            <translation>Le moteur utilise le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Stop the server first.</source>
            <translation>Arrêtez d’abord le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No model was given</source>
            <translation>Aucun modèle n’est indiqué</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No name was given.</source>
            <translation>Aucun nom n’a été indiqué.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Give the model's ID. To list them, run: powerinfer-tray models list</source>
            <translation>Indiquez l’identifiant du modèle. Pour la liste : powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} comes with the app</source>
            <translation>{name} est fourni avec l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>It cannot be removed.</source>
            <translation>Il ne peut pas être supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No program for quantizing was found</source>
            <translation>Aucun programme de quantification n’a été trouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>There is none next to PowerInfer's server or on the PATH.</source>
            <translation>Il n’y en a ni à côté du serveur PowerInfer ni dans le PATH.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Put PowerInfer's “quantize” next to its server, or on the PATH as “powerinfer-quantize”. For regular models, use llama.cpp's “llama-quantize”.</source>
            <translation>Placez « quantize » de PowerInfer à côté de son serveur, ou dans le PATH sous le nom « powerinfer-quantize ». Pour les modèles ordinaires, utilisez « llama-quantize » de llama.cpp.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The file is {path}, and the models folder is {folder}.</source>
            <translation>Le fichier est {path}, et le dossier des modèles est {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Delete it yourself or, if it is a model, run: powerinfer-tray models remove --yes PATH</source>
            <translation>Supprimez-le vous-même ou, si c’est un modèle, exécutez : powerinfer-tray models remove --yes CHEMIN</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>Give the path of one of them.</source>
            <translation>Indiquez le chemin de l’un d’eux.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No other app has a model {reference}</source>
            <translation>Aucune autre application n’a de modèle {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No model with this name was found, apart from those already in your list.</source>
            <translation>Aucun modèle de ce nom n’a été trouvé, en dehors de ceux déjà dans votre liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>To list the models of other apps, run: powerinfer-tray models adopt</source>
            <translation>Pour la liste des modèles des autres applications : powerinfer-tray models adopt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The server is not running</source>
            <translation>Le serveur est arrêté</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>There is no address to connect to.</source>
            <translation>Il n’y a pas d’adresse à laquelle se connecter.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Start the server.</source>
            <translation>Démarrez le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The local network needs an API key</source>
            <translation>Le réseau local exige une clé d’API</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Without one, anyone on the network could use this server.</source>
            <translation>Sans clé, tout le monde sur le réseau pourrait utiliser ce serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Set one in the settings under “Network &amp; access”, or run: powerinfer-tray key set gateway. On a computer without a keychain, add --file, or set the environment variable {variable}.</source>
            <translation>Définissez-en une dans les paramètres sous « Réseau et accès », ou exécutez : powerinfer-tray key set gateway. Sur un ordinateur sans trousseau, ajoutez --file, ou définissez la variable d’environnement {variable}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The key that came with this app is not of the expected kind.</source>
            <translation>La clé fournie avec cette application n’est pas du type attendu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The key that came with this app cannot be read.</source>
            <translation>La clé fournie avec cette application ne peut pas être lue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>The signature of {file} was not made with the key of this app's makers.</source>
            <translation>La signature de {file} n’a pas été faite avec la clé des auteurs de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>It is not in the signed list {file}.</source>
            <translation>Il ne figure pas dans la liste signée {file}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>{name} cannot be trusted</source>
            <translation>{name} n’est pas digne de confiance</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/release.py" />
            <source>Nothing was downloaded. Do not install this version; report it to the makers of this app.</source>
            <translation>Rien n’a été téléchargé. N’installez pas cette version ; signalez-le aux auteurs de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>There is no window to show</source>
            <translation>Il n’y a pas de fenêtre à afficher</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The app is running in a terminal.</source>
            <translation>L’application fonctionne dans un terminal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>The search is empty</source>
            <translation>La recherche est vide</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>No words were entered.</source>
            <translation>Aucun mot n’a été saisi.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>Enter what to look for.</source>
            <translation>Saisissez ce que vous cherchez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/search_manager.py" />
            <source>The model's vectors cannot be used</source>
            <translation>Les vecteurs du modèle sont inutilisables</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The model for this conversation is missing</source>
            <translation>Le modèle de cette conversation est introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>{model} was removed or renamed.</source>
            <translation>{model} a été supprimé ou renommé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Choose another model for this conversation, or download this one again.</source>
            <translation>Choisissez un autre modèle pour cette conversation, ou téléchargez celui-ci à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The default model {name} is not installed</source>
            <translation>Le modèle par défaut {name} n’est pas installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>It answers requests that do not name an installed model.</source>
            <translation>Il répond aux requêtes qui ne nomment aucun modèle installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Download it, or choose another model in the settings.</source>
            <translation>Téléchargez-le, ou choisissez-en un autre dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>A model can be loaded only while the server is running.</source>
            <translation>Un modèle ne peut être chargé que lorsque le serveur fonctionne.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Start the server first.</source>
            <translation>Démarrez d’abord le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The engine is a remote server</source>
            <translation>Le moteur est un serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It has its own models, so none are loaded on this computer.</source>
            <translation>Il a ses propres modèles ; aucun ne se charge sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Choose another engine in the settings.</source>
            <translation>Choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The server is not ready</source>
            <translation>Le serveur n’est pas prêt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It was not ready in time.</source>
            <translation>Il n’a pas été prêt à temps.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It was stopped.</source>
            <translation>Il a été arrêté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>{model} is still running with its old settings: {reason}</source>
            <translation>{model} fonctionne encore avec ses anciens réglages : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The start was canceled</source>
            <translation>Le démarrage a été annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The server was stopped before it was ready.</source>
            <translation>Le serveur a été arrêté avant d’avoir démarré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>To try it again, run: powerinfer-tray engines allow {id}</source>
            <translation>Pour réessayer : powerinfer-tray engines allow {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>{model} is not using the engine {id}</source>
            <translation>{model} n’utilise pas le moteur {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>For details, run: powerinfer-tray engines list</source>
            <translation>Pour plus de détails : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Threads can be tuned only for an engine on this computer</source>
            <translation>Le nombre de threads ne peut être optimisé que pour un moteur sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Set them on the remote server.</source>
            <translation>Réglez-le sur le serveur distant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>A sparse model always uses one thread</source>
            <translation>Un modèle creux utilise toujours un seul thread</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>To use all cores, choose a regular GGUF model, which llama.cpp runs.</source>
            <translation>Pour utiliser tous les cœurs, choisissez un modèle GGUF ordinaire, que llama.cpp exécute.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It was not tested with {weights} quantization.</source>
            <translation>Il n’a pas été testé avec la quantification {weights}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It does not work with {weights} quantization: {reason}</source>
            <translation>Il ne fonctionne pas avec la quantification {weights} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It failed, and {engine} was used instead.</source>
            <translation>Il a échoué, et {engine} a été utilisé à sa place.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/workspace.py" />
            <source>There is nothing to download.</source>
            <translation>Il n’y a rien à télécharger.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>The conversations cannot be read</source>
            <translation>Les conversations ne peuvent pas être lues</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>{path}: {reason}</source>
            <translation>{path} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Check the permissions of this folder.</source>
            <translation>Vérifiez les droits de ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>{name} cannot be read</source>
            <translation>{name} ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>The file stays as it is. Check that it is an ordinary file and that you may read it.</source>
            <translation>Le fichier reste tel quel. Vérifiez que c’est un fichier ordinaire et que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Another program has been writing conversations for ten seconds.</source>
            <translation>Un autre programme écrit des conversations depuis dix secondes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Try again.</source>
            <translation>Réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/folder.py" />
            <source>Check the permissions of this folder and the free space on its disk.</source>
            <translation>Vérifiez les droits de ce dossier et l’espace libre sur son disque.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The conversation is gone</source>
            <translation>La conversation n’existe plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>There is no file for {name}: it was deleted or moved.</source>
            <translation>Il n’y a pas de fichier pour {name} : il a été supprimé ou déplacé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Choose another conversation.</source>
            <translation>Choisissez une autre conversation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The conversation could not be saved</source>
            <translation>La conversation n’a pas pu être enregistrée</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>It contains nothing that this app can read as a conversation.</source>
            <translation>Il ne contient rien que cette application puisse lire comme une conversation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>The file stays as it is. You can open it in a text editor.</source>
            <translation>Le fichier reste tel quel. Vous pouvez l’ouvrir dans un éditeur de texte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>{name} was written by a newer version of this app</source>
            <translation>{name} a été écrit par une version plus récente de cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Only part of {name} could be read</source>
            <translation>Seule une partie de {name} a pu être lue</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Lines {lines} and {count} more contain something this app does not understand.</source>
            <translation>Les lignes {lines} et {count} autres contiennent quelque chose que cette application ne comprend pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>These lines contain something this app does not understand: {lines}.</source>
            <translation>Ces lignes contiennent quelque chose que cette application ne comprend pas : {lines}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>You can continue with what was read. The original is then kept beside it.</source>
            <translation>Vous pouvez continuer avec ce qui a été lu. L’original est alors conservé à côté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>{name} is a copy of a damaged file</source>
            <translation>{name} est la copie d’un fichier endommagé</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>It holds what could not be read when the conversation was continued.</source>
            <translation>Il contient ce qui n’a pas pu être lu lorsque la conversation a été poursuivie.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/problems.py" />
            <source>Open it in a text editor, and delete it when you no longer need it.</source>
            <translation>Ouvrez-le dans un éditeur de texte, et supprimez-le quand vous n’en avez plus besoin.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>With its pictures, it is larger than {most} MB.</source>
            <translation>Avec ses images, elle dépasse {most} Mo.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Start a new conversation.</source>
            <translation>Commencez une nouvelle conversation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>The conversation could not be removed</source>
            <translation>La conversation n’a pas pu être supprimée</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>{reason} ({path}).</source>
            <translation>{reason} ({path}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Check its permissions. If there is no trash, delete it permanently.</source>
            <translation>Vérifiez ses droits d’accès. S’il n’y a pas de corbeille, supprimez-le définitivement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>Conversations cannot be saved as {kind}</source>
            <translation>Les conversations ne peuvent pas être enregistrées sous forme de {kind}</translation>
        </message>
        <message>
            <location filename="../../tray_app/chats/store.py" />
            <source>a file without an ending</source>
            <translation>un fichier sans extension</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>Enter the URL of a file (https://…/model.gguf) or hf:owner/repository/file.gguf.</source>
            <translation>Indiquez l’adresse d’un fichier (https://…/modele.gguf) ou hf:propriétaire/dépôt/fichier.gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a URL</source>
            <translation>Ce n’est pas une URL</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>It starts with “{text}” and is {count:,} characters long. The limit is {most:,}.</source>
            <translation>Elle commence par « {text} » et compte {count:,} caractères. La limite est de {most:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” contains characters that are not allowed in a URL.</source>
            <translation>« {text} » contient des caractères interdits dans une URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a file on Hugging Face</source>
            <translation>Ce n’est pas un fichier de Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” is not a known form.</source>
            <translation>« {text} » n’est pas une forme connue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}”: {reason}.</source>
            <translation>« {text} » : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This URL cannot be downloaded</source>
            <translation>Cette URL ne peut pas être téléchargée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>There is already another file with this name</source>
            <translation>Il existe déjà un autre fichier de ce nom</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>{path} is not the file that the server offers, so it was left unchanged.</source>
            <translation>{path} n’est pas le fichier que propose le serveur ; il n’a pas été modifié.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Rename or delete it, then download again.</source>
            <translation>Renommez-le ou supprimez-le, puis relancez le téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/connection_pool.py" />
            <source>All connections were closed.</source>
            <translation>Toutes les connexions ont été fermées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Something else is using this download's file name</source>
            <translation>Autre chose utilise le nom de fichier de ce téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{path}: {reason}. Nothing was written there.</source>
            <translation>{path} : {reason}. Rien n’y a été écrit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Check what it is. If you do not need it, delete it and choose Resume.</source>
            <translation>Vérifiez de quoi il s’agit. Si vous n’en avez pas besoin, supprimez-le et cliquez sur Reprendre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>This disk cannot store such large files</source>
            <translation>Ce disque n’accepte pas de fichiers aussi volumineux</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{name} is too large for the disk of {folder}. Many USB sticks use FAT32, which allows files of up to 4 GB. A disk quota can also set a limit.</source>
            <translation>{name} est trop volumineux pour le disque de {folder}. De nombreuses clés USB utilisent FAT32, limité à 4 Go par fichier. Un quota peut aussi fixer une limite.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Choose a models folder on a disk with exFAT, NTFS, APFS or ext4, or choose a smaller or split model. What was downloaded is kept: move its files (.part, .part.json) to the new folder to continue.</source>
            <translation>Choisissez un dossier des modèles sur un disque en exFAT, NTFS, APFS ou ext4, ou un modèle plus petit ou divisé. Ce qui a été téléchargé est conservé : déplacez ses fichiers (.part, .part.json) dans le nouveau dossier pour continuer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>The disk is full</source>
            <translation>Le disque est plein</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>There is not enough space for {name} in {folder}.</source>
            <translation>Il n’y a pas assez de place pour {name} dans {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Free some space and choose Resume, or choose another models folder.</source>
            <translation>Libérez de l’espace et appuyez sur Reprendre, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>{path}: {reason}.</source>
            <translation>{path} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/disk_errors.py" />
            <source>Check that the drive is connected and that you have permission to write to it, or choose another models folder.</source>
            <translation>Vérifiez que le lecteur est connecté et que vous avez le droit d’y écrire, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The connection was lost</source>
            <translation>La connexion a été perdue</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>What was downloaded is kept. Choose Resume to continue.</source>
            <translation>Ce qui a été téléchargé est conservé. Cliquez sur Reprendre pour continuer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>The file has changed on the server</source>
            <translation>Le fichier a changé sur le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>Download it again from the beginning.</source>
            <translation>Téléchargez-le à nouveau depuis le début.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/faults.py" />
            <source>{name} on the server is no longer the file whose download was started.</source>
            <translation>{name} sur le serveur n’est plus le fichier dont le téléchargement avait commencé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No secure connection</source>
            <translation>Pas de connexion sécurisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The identity of {host} could not be verified ({reason}).</source>
            <translation>L’identité de {host} n’a pas pu être vérifiée ({reason}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the computer's clock. If your company uses its own certificate, add it to the system's certificate store.</source>
            <translation>Vérifiez l’horloge de l’ordinateur. Si votre entreprise utilise son propre certificat, ajoutez-le au magasin de certificats du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Could not reach {host}</source>
            <translation>Impossible de joindre {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{reason}.</source>
            <translation>{reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the URL and your internet connection.</source>
            <translation>Vérifiez l’URL et votre connexion à Internet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not answer</source>
            <translation>Le proxy ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the proxy in the system settings, or in HTTP_PROXY and HTTPS_PROXY.</source>
            <translation>Vérifiez le proxy dans les réglages du système, ou dans HTTP_PROXY et HTTPS_PROXY.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This URL cannot be used</source>
            <translation>Cette URL ne peut pas être utilisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the URL in a browser to check it.</source>
            <translation>Ouvrez l’URL dans un navigateur pour la vérifier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server stopped sending data.</source>
            <translation>Le serveur a cessé d’envoyer des données.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server closed it in the middle of the file.</source>
            <translation>Le serveur l’a fermée au milieu du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No answer in time</source>
            <translation>Pas de réponse dans le délai</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Another download uses this file name</source>
            <translation>Un autre téléchargement utilise ce nom de fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>{path} is being downloaded from another URL.</source>
            <translation>{path} est en cours de téléchargement depuis une autre URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Wait until it has finished, or cancel it. Then download this file again.</source>
            <translation>Attendez qu’il se termine, ou annulez-le. Relancez ensuite ce téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Another program is downloading this file</source>
            <translation>Un autre programme télécharge ce fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>{path} is being written to, perhaps by this app in another terminal.</source>
            <translation>{path} est en cours d’écriture, peut-être par cette application dans un autre terminal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Wait until the other download has finished, or stop it.</source>
            <translation>Attendez la fin de l’autre téléchargement, ou arrêtez-le.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is paused</source>
            <translation>Le téléchargement est en pause</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download was canceled</source>
            <translation>Le téléchargement est annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>{count:,} bytes of {name} have been downloaded.</source>
            <translation>{count:,} octets de {name} ont été téléchargés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>Resume it to continue.</source>
            <translation>Reprenez-le pour continuer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download failed unexpectedly</source>
            <translation>Le téléchargement a échoué de façon inattendue</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server refused access to this file</source>
            <translation>Le serveur a refusé l’accès à ce fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: you may need to sign in or accept a license.</source>
            <translation>{host} a répondu {status} : il faut peut-être se connecter ou accepter une licence.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the URL in a browser. If you can download the file only after signing in, download it there and put it in the models folder.</source>
            <translation>Ouvrez l’URL dans un navigateur. Si le téléchargement exige une connexion, téléchargez le fichier ainsi et placez-le dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The file was not found</source>
            <translation>Le fichier est introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: there is no file at this URL.</source>
            <translation>{host} a répondu {status} : il n’y a aucun fichier à cette URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Check the owner, repository and file name, including upper and lower case.</source>
            <translation>Vérifiez le propriétaire, le dépôt et le nom du fichier, majuscules comprises.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server refused the request</source>
            <translation>Le serveur a refusé la requête</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}.</source>
            <translation>{host} a répondu {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The server has a problem</source>
            <translation>Le serveur a un problème</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Try again in a few minutes.</source>
            <translation>Réessayez dans quelques minutes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: you can try again in {seconds:.0f} s.</source>
            <translation>{host} a répondu {status} : vous pourrez réessayer dans {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Wait a few minutes. An access token allows more requests: powerinfer-tray key set {host}</source>
            <translation>Attendez quelques minutes. Un jeton d’accès permet plus de requêtes : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Too many requests to {host}</source>
            <translation>Trop de requêtes vers {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The repository was not found</source>
            <translation>Le dépôt est introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: there is no repository with this name.</source>
            <translation>{host} a répondu {status} : aucun dépôt ne porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Check the owner and repository, including upper and lower case. A private repository needs an access token: powerinfer-tray key set {host}</source>
            <translation>Vérifiez le propriétaire et le dépôt, majuscules comprises. Un dépôt privé exige un jeton d’accès : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The revision was not found</source>
            <translation>La révision est introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: no branch, tag or commit has this name.</source>
            <translation>{host} a répondu {status} : aucune branche, étiquette ni commit ne porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Leave out the revision to use the main branch: hf:owner/repository</source>
            <translation>Omettez la révision pour utiliser la branche main : hf:propriétaire/dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy blocked the connection</source>
            <translation>Le proxy a bloqué la connexion</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>It answered {status} for {host}.</source>
            <translation>Pour {host}, il a répondu {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Ask your network administrator, or download from another server.</source>
            <translation>Adressez-vous à votre administrateur réseau, ou téléchargez depuis un autre serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy requires a login</source>
            <translation>Le proxy demande une authentification</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>The proxy between this computer and {host} answered 407: you need to sign in.</source>
            <translation>Le proxy entre cet ordinateur et {host} a répondu 407 : il faut s’authentifier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@PROXY:PORT and restart this app. In the password, write @ as %40 and : as %3A. If they already contain a login, it is wrong.</source>
            <translation>Définissez HTTP_PROXY et HTTPS_PROXY sous la forme http://UTILISATEUR:MOT_DE_PASSE@PROXY:PORT, puis redémarrez cette application. Dans le mot de passe, écrivez %40 pour @ et %3A pour :. Si des identifiants y figurent déjà, ils sont incorrects.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>{host} answered {status}: {reason}</source>
            <translation>{host} a répondu {status} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>access to the file is restricted</source>
            <translation>l’accès au fichier est restreint</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then enter an access token in the settings under “Downloads”, or run: powerinfer-tray key set {host}</source>
            <translation>Ouvrez la page du modèle sur {host}, connectez-vous et acceptez les conditions. Saisissez ensuite un jeton d’accès dans les paramètres sous « Téléchargements », ou exécutez : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/refusals.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then save an access token: powerinfer-tray key set {host}</source>
            <translation>Ouvrez la page du modèle sur {host}, connectez-vous et acceptez les conditions. Enregistrez ensuite un jeton d’accès : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>There is no GGUF model in {repository}</source>
            <translation>Il n’y a pas de modèle GGUF dans {repository}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>This app uses models in the GGUF format.</source>
            <translation>Cette application utilise des modèles au format GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>On Hugging Face, look for a repository of this model with GGUF in its name.</source>
            <translation>Cherchez sur Hugging Face un dépôt de ce modèle dont le nom contient GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>The files of {repository} could not be listed</source>
            <translation>Les fichiers de {repository} n’ont pas pu être listés</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{site} did not send a list of files.</source>
            <translation>{site} n’a pas envoyé de liste de fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Enter the URL of the file itself.</source>
            <translation>Indiquez l’URL du fichier lui-même.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has several models</source>
            <translation>{repository} contient plusieurs modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has no {tag}</source>
            <translation>{repository} n’a pas de {tag}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>It contains: {names}.</source>
            <translation>Il contient : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Choose one of them: {example}</source>
            <translation>Choisissez l’un d’eux : {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a compressed file</source>
            <translation>Le serveur a envoyé un fichier compressé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The app cannot use it.</source>
            <translation>L’application ne peut pas l’utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Try another server.</source>
            <translation>Essayez un autre serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a different part of the file than requested.</source>
            <translation>Le serveur a envoyé une autre partie du fichier que celle demandée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server first reported a size of {first} bytes, then {second}.</source>
            <translation>Le serveur a d’abord annoncé {first} octets, puis {second}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The download could not be checked</source>
            <translation>Le téléchargement n’a pas pu être vérifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server gives neither the size nor the SHA-256 of the file, so an incomplete file would go unnoticed.</source>
            <translation>Le serveur n’indique ni la taille ni le SHA-256 du fichier : un fichier incomplet passerait inaperçu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Use another server, or enter the SHA-256.</source>
            <translation>Utilisez un autre serveur, ou indiquez le SHA-256.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server is sending almost no data.</source>
            <translation>Le serveur n’envoie presque aucune donnée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>Too many redirects</source>
            <translation>Trop de redirections</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} keeps redirecting to another URL.</source>
            <translation>{host} redirige sans cesse vers une autre URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to an insecure connection</source>
            <translation>Le serveur redirige vers une connexion non sécurisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} uses https but redirects to {target}, where others could read and change the download.</source>
            <translation>{host} utilise https mais redirige vers {target}, où d’autres pourraient lire et modifier le téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust that connection, enter that URL directly.</source>
            <translation>Si vous faites confiance à cette connexion, indiquez directement cette URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>it is too long or contains characters that are not allowed in a URL</source>
            <translation>elle est trop longue ou contient des caractères interdits dans une URL</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to an invalid URL</source>
            <translation>Le serveur redirige vers une URL non valide</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host}: {reason}.</source>
            <translation>{host} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server redirects to a private network</source>
            <translation>Le serveur redirige vers un réseau privé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{sender} is on the internet but redirects to {host} ({address}), which is on this computer or in its local network.</source>
            <translation>{sender} est sur Internet mais redirige vers {host} ({address}), qui se trouve sur cet ordinateur ou dans son réseau local.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust it, enter that URL directly.</source>
            <translation>Si vous lui faites confiance, indiquez directement cette URL.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The proxy cannot be used</source>
            <translation>Le proxy est inutilisable</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{proxy} is not a valid HTTP proxy address (http://host:port).</source>
            <translation>{proxy} n’est pas l’adresse d’un proxy HTTP (http://hôte:port).</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>What was downloaded is kept. Free some space and choose Resume, or choose another models folder.</source>
            <translation>Ce qui a été téléchargé est conservé. Libérez de l’espace et cliquez sur Reprendre, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>The server is sending more data than the model should have</source>
            <translation>Le serveur envoie plus de données que le modèle ne devrait en avoir</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>According to its header, the model has {size:.2f} GB, but {received:.2f} GB have been received.</source>
            <translation>D’après son en-tête, le modèle fait {size:.2f} Go, mais {received:.2f} Go ont été reçus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>Use another server.</source>
            <translation>Utilisez un autre serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The URL does not name a file</source>
            <translation>L’URL ne désigne aucun fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>{repository} is a repository, which can contain many files.</source>
            <translation>{repository} est un dépôt, qui peut contenir de nombreux fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” ends without a file name.</source>
            <translation>« {text} » se termine sans nom de fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is not a SHA-256</source>
            <translation>Ce n’est pas un SHA-256</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” should be 64 characters: 0 to 9 and a to f.</source>
            <translation>« {text} » devrait comporter 64 caractères de 0 à 9 et de a à f.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The server does not give a valid file size</source>
            <translation>Le serveur n’indique pas de taille de fichier valide</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>It sent “{header}: {text}”, which is not a number.</source>
            <translation>Il a envoyé « {header}: {text} », qui n’est pas un nombre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>This is not a speed</source>
            <translation>Ce n’est pas une vitesse</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>“{text}” should be a number with a unit.</source>
            <translation>« {text} » devrait être un nombre suivi d’une unité.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>For example: 500k, 2.5MB/s</source>
            <translation>Par exemple : 500k, 2.5MB/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The URL leads to a web page, not a file</source>
            <translation>L’URL mène à une page web, pas à un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server sent HTML: perhaps a sign-in page, a Wi-Fi login, or a page about the file.</source>
            <translation>Le serveur a envoyé du HTML : peut-être une page de connexion, un portail Wi-Fi ou une page sur le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Open the URL in a browser, then copy the link of the download button.</source>
            <translation>Ouvrez l’URL dans un navigateur, puis copiez le lien du bouton de téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The URL leads to a pointer, not the file</source>
            <translation>L’URL mène à un pointeur, pas au fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server has only a Git LFS pointer of 130 bytes here.</source>
            <translation>Le serveur n’a ici qu’un pointeur Git LFS de 130 octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Use the link of the download button, which contains /resolve/.</source>
            <translation>Utilisez le lien du bouton de téléchargement, qui contient /resolve/.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>This is not a model file</source>
            <translation>Ce n’est pas un fichier de modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>It does not start with GGUF or PWRI, as every model for this app does.</source>
            <translation>Il ne commence ni par GGUF ni par PWRI, comme tout modèle pour cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Choose a file whose name ends in .gguf or .powerinfer.gguf.</source>
            <translation>Choisissez un fichier qui se termine par .gguf ou .powerinfer.gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The file is damaged or is not the expected one</source>
            <translation>Le fichier est endommagé ou n’est pas celui attendu</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Its SHA-256 is {actual}, but should be {expected}.</source>
            <translation>Son SHA-256 est {actual}, mais devrait être {expected}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Download it again. If that does not help, the server has a different file.</source>
            <translation>Téléchargez-le à nouveau. Si cela ne suffit pas, le serveur propose un autre fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>{message} The downloaded data is now in {name}.</source>
            <translation>{message} Les données téléchargées sont maintenant dans {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent the whole file instead of a part.</source>
            <translation>Le serveur a envoyé le fichier entier au lieu d’une partie.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The file size differs from what the server announced</source>
            <translation>La taille du fichier diffère de celle annoncée par le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent more than the {count} bytes of the file.</source>
            <translation>Le serveur a envoyé plus que les {count} octets du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>Try again, or use another server.</source>
            <translation>Réessayez, ou utilisez un autre serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server stopped at byte {at} instead of {end}.</source>
            <translation>Le serveur s’est arrêté à l’octet {at} au lieu de {end}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>It needs {needed:.2f} GiB, but the limit for all models together is {budget:.2f} GiB.</source>
            <translation>Il lui faut {needed:.2f} Gio, mais la limite pour tous les modèles ensemble est de {budget:.2f} Gio.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>Choose a smaller model or context size, or raise the memory limit: powerinfer-tray settings set memory_budget GIB</source>
            <translation>Choisissez un modèle ou une taille de contexte plus petits, ou relevez la limite de mémoire : powerinfer-tray settings set memory_budget GIO</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>{numbers} Models that are kept loaded leave {free:.2f} GiB of this, so these would have to be unloaded: {models}.</source>
            <translation>{numbers} Les modèles gardés chargés en laissent {free:.2f} Gio ; il faudrait décharger : {models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>Unload one of them: powerinfer-tray unload {model}</source>
            <translation>Déchargez-en un : powerinfer-tray unload {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/admission.py" />
            <source>{name} does not fit in the memory for models</source>
            <translation>{name} ne tient pas dans la mémoire prévue pour les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It contains more than {count:,} files.</source>
            <translation>Elle contient plus de {count:,} fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It contains more than {size:,} bytes.</source>
            <translation>Elle contient plus de {size:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Its contents are {times} times its own size.</source>
            <translation>Son contenu fait {times} fois sa propre taille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It would run with the rights of another user or group.</source>
            <translation>Il s’exécuterait avec les droits d’un autre utilisateur ou groupe.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has no name.</source>
            <translation>Il n’a pas de nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>“{name}” is incomplete.</source>
            <translation>« {name} » n’est pas complet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It refers to a file that does not come before it in the archive.</source>
            <translation>Il renvoie à un fichier qui ne le précède pas dans l’archive.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>This name already exists.</source>
            <translation>Ce nom existe déjà.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_downloads.py" />
            <source>{name} has {size:,} bytes on the server but should have {expected:,}.</source>
            <translation>{name} fait {size:,} octets sur le serveur, mais devrait en faire {expected:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is neither a file nor a folder.</source>
            <translation>Ce n’est ni un fichier ni un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is a link that does not lead to a file in the archive.</source>
            <translation>C’est un lien qui ne mène à aucun fichier de l’archive.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is protected by a password</source>
            <translation>{name} est protégé par un mot de passe</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Its contents cannot be read without the password.</source>
            <translation>Son contenu ne peut pas être lu sans le mot de passe.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Unpack it yourself and choose the folder.</source>
            <translation>Décompressez-le vous-même et choisissez le dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} could not be unpacked</source>
            <translation>{name} n’a pas pu être décompressé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is damaged, incomplete or not an archive: {why}</source>
            <translation>Il est endommagé, incomplet, ou n’est pas une archive : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.</source>
            <translation>Téléchargez-le ou copiez-le à nouveau. Les moteurs se présentent en .zip, en .tar.gz ou comme un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is too large for an engine</source>
            <translation>{name} est trop volumineux pour un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Nothing was kept. Download the engine from its publisher. Published engines are smaller.</source>
            <translation>Rien n’a été conservé. Téléchargez le moteur auprès de son éditeur. Les moteurs publiés sont plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It leads out of its folder.</source>
            <translation>Il mène hors de son dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Part of its path is empty.</source>
            <translation>Une partie de son chemin est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is too long.</source>
            <translation>Il est trop long.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It contains characters that not every system allows.</source>
            <translation>Il contient des caractères que tous les systèmes n’acceptent pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It starts or ends with characters that Windows ignores.</source>
            <translation>Il commence ou finit par des caractères que Windows ignore.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Windows reserves this name for a device.</source>
            <translation>Windows réserve ce nom à un périphérique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is an absolute path.</source>
            <translation>C’est un chemin absolu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has too many nested folders.</source>
            <translation>Il a trop de dossiers imbriqués.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>On some systems, it has the same name as {other}.</source>
            <translation>Sur certains systèmes, il porte le même nom que {other}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is a link that leads out of its folder.</source>
            <translation>C’est un lien qui mène hors de son dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>The archive is not safe to unpack</source>
            <translation>Il n’est pas sûr de décompresser cette archive</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>“{name}”: {why}</source>
            <translation>« {name} » : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Nothing was kept. Download the engine from its publisher.</source>
            <translation>Rien n’a été conservé. Téléchargez le moteur auprès de son éditeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine already uses the Apple silicon graphics (Metal), so there is nothing to install.</source>
            <translation>Le moteur intégré utilise déjà la puce graphique d’Apple Silicon (Metal) : il n’y a rien à installer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It is no faster on this processor than the built-in engine.</source>
            <translation>Il n’est pas plus rapide sur ce processeur que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>No available engine is faster on this computer than the built-in one.</source>
            <translation>Aucun moteur disponible n’est plus rapide sur cet ordinateur que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs an NVIDIA graphics card.</source>
            <translation>Il lui faut une carte graphique NVIDIA.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The NVIDIA driver for your {card} is missing or not responding. Download it from nvidia.com/drivers.</source>
            <translation>Le pilote NVIDIA de votre {card} est absent ou ne répond pas. Téléchargez-le sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is too old for CUDA {cuda}. Its compute capability is {compute}, but {oldest} is required.</source>
            <translation>Votre {card} est trop ancienne pour CUDA {cuda}. Sa capacité de calcul est de {compute}, mais il faut {oldest}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} has driver {driver}, but CUDA {cuda} needs {oldest} or newer. Download it from nvidia.com/drivers.</source>
            <translation>Votre {card} a le pilote {driver}, mais CUDA {cuda} exige {oldest} ou plus récent. Téléchargez-le sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} needs a driver for CUDA {cuda} or newer, but yours is for {known}. Download one from nvidia.com/drivers.</source>
            <translation>Votre {card} exige un pilote pour CUDA {cuda} ou plus récent, mais le vôtre est pour {known}. Téléchargez-en un sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan works with more AMD cards and is a much smaller download.</source>
            <translation>Vulkan fonctionne avec davantage de cartes AMD, pour un téléchargement bien plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs an AMD graphics card.</source>
            <translation>Il lui faut une carte graphique AMD.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a graphics card.</source>
            <translation>Il lui faut une carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}. The latest driver includes it.</source>
            <translation>Vulkan manque pour votre {card}. Le pilote le plus récent le contient.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}. Install the packages libvulkan1 and mesa-vulkan-drivers, or vulkan-loader on Fedora.</source>
            <translation>Vulkan manque pour votre {card}. Installez les paquets libvulkan1 et mesa-vulkan-drivers, ou vulkan-loader sur Fedora.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The available engines need the GNU C library, which this Linux does not have.</source>
            <translation>Les moteurs disponibles exigent la bibliothèque C de GNU, que ce Linux n’a pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} needs a newer Linux with GNU C library {needed}. This one has {version}.</source>
            <translation>{build} exige un Linux plus récent, avec la bibliothèque C de GNU {needed}. Celui-ci a la version {version}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} was tested and does not work on this computer: {why}.</source>
            <translation>{build} a été testé et ne fonctionne pas sur cet ordinateur : {why}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>There is no built-in engine made for Windows on ARM</source>
            <translation>Il n’y a pas de moteur intégré conçu pour Windows sur ARM</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine works on all ARM processors but does not use everything yours can do</source>
            <translation>Le moteur intégré fonctionne sur tous les processeurs ARM, mais n’exploite pas toutes les capacités du vôtre</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>There is no built-in engine for Intel Macs</source>
            <translation>Il n’y a pas de moteur intégré pour les Mac Intel</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine does not run on your processor, which lacks AVX2</source>
            <translation>Le moteur intégré ne fonctionne pas sur votre processeur, qui n’a pas AVX2</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your processor supports {extensions}, which the built-in engine does not use</source>
            <translation>Votre processeur prend en charge {extensions}, que le moteur intégré n’utilise pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} does the same job.</source>
            <translation>{build} fait le même travail.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It does not use a graphics card.</source>
            <translation>Il n’utilise pas de carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is faster.</source>
            <translation>{build} est plus rapide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed and uses your {card}.</source>
            <translation>{build} est installé et utilise votre {card}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed and made for your processor.</source>
            <translation>{build} est installé et conçu pour votre processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed: {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{build} est installé : {speed:.1f} fois la vitesse du moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Update {old} to {build}: {cost}.</source>
            <translation>Mettre à jour {old} vers {build} : {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{gain}: {build}, {cost}.</source>
            <translation>{gain} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This is a virtual machine without a graphics card of its own.</source>
            <translation>Ceci est une machine virtuelle sans carte graphique dédiée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>No NVIDIA, AMD or Intel graphics card was found.</source>
            <translation>Aucune carte graphique NVIDIA, AMD ou Intel n’a été trouvée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>For now, Vulkan can use your {card}: {build}, {cost}.</source>
            <translation>En attendant, Vulkan peut utiliser votre {card} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is part of the processor and shares its memory, so it can be faster or slower than the processor alone. To try it: {build}, {cost}.</source>
            <translation>Votre {card} fait partie du processeur et partage sa mémoire : elle peut donc être plus rapide ou plus lente que le processeur seul. Pour l’essayer : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card} instead of the processor's {other}: {build}, {cost}.</source>
            <translation>Utilisez votre {card} au lieu de la {other} du processeur : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}: {build}, {cost}.</source>
            <translation>Utilisez votre {card} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>No engine was found in {name}</source>
            <translation>Aucun moteur n’a été trouvé dans {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It does not contain a program called {names}.</source>
            <translation>Aucun programme ne s’y appelle {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose an archive or folder that was built for {system}.</source>
            <translation>Choisissez l’archive ou le dossier conçu pour {system}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{name} contains more than an engine</source>
            <translation>{name} contient plus qu’un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the folder that contains only the engine's program and its files.</source>
            <translation>Choisissez le dossier qui ne contient que le programme du moteur et ses fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Check that it exists and that you have permission to read it.</source>
            <translation>Vérifiez qu’il existe et que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installation.py" />
            <source>Canceled</source>
            <translation>Annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is a different link</source>
            <translation>{file} est un autre lien</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was added</source>
            <translation>{file} a été ajouté</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was changed</source>
            <translation>{file} a été modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is missing</source>
            <translation>{file} est manquant</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>If you have set “Engine download address”, check it or leave it empty. Otherwise, install a newer version of this app.</source>
            <translation>Si vous avez défini « Adresse de téléchargement des moteurs », vérifiez-la ou laissez-la vide. Sinon, installez une version plus récente de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Another engine is being installed</source>
            <translation>Un autre moteur est en cours d’installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>{id} is being installed now.</source>
            <translation>{id} est en cours d’installation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Wait until it has finished, or cancel it: powerinfer-tray engines remove {id}</source>
            <translation>Attendez la fin de l’installation, ou annulez-la : powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>The installation failed unexpectedly</source>
            <translation>L’installation a échoué de façon inattendue</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{id} is listed twice for {system} ({machine}).</source>
            <translation>{id} y figure deux fois pour {system} ({machine}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>The list of available engines could not be read</source>
            <translation>La liste des moteurs disponibles n’a pas pu être lue</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{path}: {why}</source>
            <translation>{path} : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>Reinstall the app or fix the file.</source>
            <translation>Réinstallez l’application, ou réparez le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install or update the NVIDIA driver, or choose an engine for the processor.</source>
            <translation>Installez ou mettez à jour le pilote NVIDIA, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the AMD driver, or choose an engine for the processor.</source>
            <translation>Installez le pilote AMD, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the driver from the card's manufacturer, or choose an engine for the processor.</source>
            <translation>Installez le pilote du fabricant de la carte, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} did not find a graphics card</source>
            <translation>{name} ne trouve pas de carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>It needs a graphics card that works with {back_end}. There is none, or its driver is missing or too old.</source>
            <translation>Il lui faut une carte graphique compatible avec {back_end}. Il n’y en a pas, ou son pilote est absent ou trop ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} gives wrong results on this computer</source>
            <translation>{name} donne des résultats erronés sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Choose another engine. The built-in one still works.</source>
            <translation>Choisissez un autre moteur. Le moteur intégré fonctionne toujours.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>It would be larger than {size:,} bytes.</source>
            <translation>Elle dépasserait {size:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>Its folder is a link.</source>
            <translation>Son dossier est un lien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>{file} contradicts itself.</source>
            <translation>{file} se contredit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>There is no engine “{id}”</source>
            <translation>Il n’y a pas de moteur « {id} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>No engine with this name is installed.</source>
            <translation>Aucun moteur de ce nom n’est installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be used</source>
            <translation>Le moteur « {id} » ne peut pas être utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Its installation record is missing or damaged: {why}</source>
            <translation>Les données enregistrées à son installation sont absentes ou endommagées : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it, or remove it: powerinfer-tray engines remove {id}</source>
            <translation>Réinstallez-le, ou supprimez-le : powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it: powerinfer-tray engines install {id}</source>
            <translation>Réinstallez-le : powerinfer-tray engines install {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Reinstall it from {path}</source>
            <translation>Réinstallez-le à partir de {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” has changed since it was installed</source>
            <translation>Le moteur « {id} » a changé depuis son installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{changes}. An antivirus program may have removed or replaced files. The engine was not started.</source>
            <translation>{changes}. Un antivirus a peut-être supprimé ou remplacé des fichiers. Le moteur n’a pas été démarré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{told} and {count} more</source>
            <translation>{told} et {count} de plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{again}. If it happens again, exclude its folder in your antivirus program.</source>
            <translation>{again}. Si cela se reproduit, excluez son dossier de l’antivirus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Its files are in use by the engine itself or by another program.</source>
            <translation>Ses fichiers sont utilisés par le moteur lui-même ou par un autre programme.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Stop the server and try again.</source>
            <translation>Arrêtez le serveur et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engines folder could not be read</source>
            <translation>Le dossier des moteurs n’a pas pu être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Could not write to the engines folder</source>
            <translation>Impossible d’écrire dans le dossier des moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Another program is changing the engines</source>
            <translation>Un autre programme est en train de modifier les moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>It has locked {folder}.</source>
            <translation>Il a verrouillé {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Try again when it has finished. If that does not help, quit the other PowerInfer Tray.</source>
            <translation>Réessayez quand il aura terminé. Si cela ne suffit pas, quittez l’autre PowerInfer Tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” could not be saved</source>
            <translation>Le moteur « {id} » n’a pas pu être enregistré</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The list of its files could not be written: {why}</source>
            <translation>La liste de ses fichiers n’a pas pu être écrite : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Rename its files and folders, using only letters and digits.</source>
            <translation>Renommez ses fichiers et dossiers en n’utilisant que des lettres et des chiffres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} for {cards} ({back_end})</source>
            <translation>{engine} pour {cards} ({back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} {release} for {cards} ({back_end})</source>
            <translation>{engine} {release} pour {cards} ({back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{sizes} from {place}, license: {terms}</source>
            <translation>{sizes} depuis {place}, licence : {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{size:.0f} MB</source>
            <translation>{size:.0f} Mo</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without an internet connection: download {name} from {address} on another computer, copy it to this one, and choose it with “From a File…” or run: powerinfer-tray engines install {name}</source>
            <translation>Sans connexion à Internet : téléchargez {name} depuis {address} sur un autre ordinateur, copiez-le sur celui-ci et choisissez-le avec « Depuis un fichier… », ou exécutez : powerinfer-tray engines install {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without an internet connection: download {names} from {address} on another computer, copy them to one folder on this one, and choose it with “From a Folder…” or run: powerinfer-tray engines install FOLDER</source>
            <translation>Sans connexion à Internet : téléchargez {names} depuis {address} sur un autre ordinateur, copiez-les dans un même dossier sur celui-ci et choisissez-le avec « Depuis un dossier… », ou exécutez : powerinfer-tray engines install DOSSIER</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is chosen in the setting “Engine”.</source>
            <translation>{engine} est utilisé car il est choisi dans le réglage « Moteur ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because no other engine on this computer can run this model.</source>
            <translation>{engine} est utilisé car aucun autre moteur de cet ordinateur ne peut exécuter ce modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is the fastest one that is installed and tested.</source>
            <translation>{engine} est utilisé car c’est le plus rapide des moteurs installés et testés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because it is {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{engine} est utilisé car il est {speed:.1f} fois plus rapide que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because there is no built-in engine for this computer.</source>
            <translation>{engine} est utilisé car il n’y a pas de moteur intégré pour cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used.</source>
            <translation>{engine} est utilisé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used because no faster engine is installed.</source>
            <translation>{engine} est utilisé car aucun moteur plus rapide n’est installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{build} is not used: {reason}</source>
            <translation>{build} n’est pas utilisé : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>NVIDIA</source>
            <translation>NVIDIA</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>AMD</source>
            <translation>AMD</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>graphics cards</source>
            <translation>cartes graphiques</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Apple silicon</source>
            <translation>Apple Silicon</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>the processor</source>
            <translation>le processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>The built-in llama.cpp</source>
            <translation>Le llama.cpp intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>PowerInfer</source>
            <translation>PowerInfer</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>A server on another computer</source>
            <translation>Un serveur sur un autre ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install PowerInfer's server and enter its path under “Engine” in the settings, or choose a regular GGUF model.</source>
            <translation>Installez le serveur PowerInfer et indiquez son chemin sous « Moteur » dans les paramètres, ou choisissez un modèle GGUF ordinaire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>This model needs the PowerInfer engine</source>
            <translation>Ce modèle a besoin du moteur PowerInfer</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It is a sparse model, but the chosen engine is {kind}.</source>
            <translation>C’est un modèle creux, mais le moteur choisi est {kind}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set “Engine” to auto or to the path of a PowerInfer server.</source>
            <translation>Mettez « Moteur » sur auto, ou sur le chemin d’un serveur PowerInfer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It has not been measured to be faster than the built-in engine.</source>
            <translation>D’après les mesures, il n’est pas plus rapide que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The chosen engine is a server on another computer</source>
            <translation>Le moteur choisi est un serveur sur un autre ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It runs its own models, not the ones on this computer.</source>
            <translation>Il exécute ses propres modèles, pas ceux de cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>To run models on this computer, set “Engine” to auto.</source>
            <translation>Pour exécuter des modèles sur cet ordinateur, réglez « Moteur » sur auto.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>llama-server was not found</source>
            <translation>llama-server est introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No folder on the PATH contains a program with this name.</source>
            <translation>Aucun dossier du PATH ne contient de programme de ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server, or enter its full path under “Engine” in the settings.</source>
            <translation>Installez llama-server de llama.cpp, ou indiquez son chemin complet sous « Moteur » dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The engine {name} is not installed</source>
            <translation>Le moteur {name} n’est pas installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No version for {back_end} is installed.</source>
            <translation>Aucune version pour {back_end} n’est installée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install one with: powerinfer-tray engines install ID. To list the available engines, run: powerinfer-tray engines list. Or set “Engine” to auto.</source>
            <translation>Installez-en un avec : powerinfer-tray engines install ID. Pour la liste des moteurs disponibles : powerinfer-tray engines list. Ou réglez « Moteur » sur auto.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No PowerInfer engine was found</source>
            <translation>Aucun moteur PowerInfer n’a été trouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is none in the settings, in this app or on the PATH.</source>
            <translation>Aucun n’a été trouvé dans les paramètres, dans cette application ou dans le PATH.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No llama.cpp engine was found</source>
            <translation>Aucun moteur llama.cpp n’a été trouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no built-in engine for this kind of computer.</source>
            <translation>Il n’y a pas de moteur intégré pour ce type d’ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server and enter its path under “Engine” in the settings.</source>
            <translation>Installez llama-server de llama.cpp et indiquez son chemin sous « Moteur » dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The system cannot start the engine right now</source>
            <translation>Le système ne peut pas démarrer le moteur pour l’instant</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It says: {reason}.</source>
            <translation>Il indique : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The app will try again. If this continues, close other programs.</source>
            <translation>L’application va réessayer. Si cela persiste, fermez d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine could not be started</source>
            <translation>Le moteur n’a pas pu être démarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>Or set “Engine” to auto, so that another engine is used when this one fails.</source>
            <translation>Ou réglez « Moteur » sur auto : un autre moteur sera utilisé si celui-ci échoue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>{hint} {other}</source>
            <translation>{hint} {other}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine is not responding</source>
            <translation>Le moteur ne répond plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It has not worked on any request for {seconds:.0f} seconds.</source>
            <translation>Il n’a traité aucune requête depuis {seconds:.0f} secondes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>If it happens again, choose another model or engine.</source>
            <translation>Si cela se reproduit, choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This model file makes the engine use too many resources</source>
            <translation>Le fichier de ce modèle fait consommer trop de ressources au moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the file may be the cause. Choose another model, or download this one from its publisher.</source>
            <translation>Le modèle de conversation (chat template) contenu dans le fichier peut en être la cause. Choisissez un autre modèle, ou téléchargez celui-ci auprès de son éditeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>A request makes the engine use too many resources</source>
            <translation>Une requête fait consommer trop de ressources au moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It has been busy for {seconds:.0f} seconds without working on a request.</source>
            <translation>Il est occupé depuis {seconds:.0f} secondes sans traiter de requête.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the model file may be the cause. If it happens again, choose another model.</source>
            <translation>Le modèle de conversation (chat template) contenu dans le fichier peut en être la cause. Si cela se reproduit, choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The model was read from {model}.</source>
            <translation>Le modèle était lu depuis {model}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>When it is back, the server starts automatically. Or choose another model.</source>
            <translation>Dès son retour, le serveur démarrera automatiquement. Ou choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>See the app's log.</source>
            <translation>Consultez le journal de l’application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This is a bug in the app: {reason}</source>
            <translation>C’est un bug de l’application : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine stopped unexpectedly</source>
            <translation>Le moteur s’est arrêté de façon inattendue</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It stopped with {name}.</source>
            <translation>Il s’est terminé avec {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>See the engine's log for details.</source>
            <translation>Consultez le journal du moteur pour plus de détails.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another model.</source>
            <translation>Téléchargez à nouveau le modèle, ou choisissez-en un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reduce the context size, choose a smaller model, or close other programs.</source>
            <translation>Réduisez la taille du contexte, choisissez un modèle plus petit ou fermez d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The system refused to run {named}.</source>
            <translation>Le système a refusé d’exécuter {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>If it is missing, an antivirus program may have removed it. Reinstall it, or choose another engine.</source>
            <translation>S’il a disparu, un antivirus l’a peut-être supprimé. Réinstallez-le, ou choisissez un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine's port was taken by another program</source>
            <translation>Le port du moteur a été pris par un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program took the free port before the engine could use it.</source>
            <translation>Un autre programme a pris le port libre avant que le moteur puisse l’utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The app restarts it on another port.</source>
            <translation>L’application le redémarre sur un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory, or there are too many processes or open files, or the program file is being written: {named}.</source>
            <translation>La mémoire est insuffisante, il y a trop de processus ou de fichiers ouverts, ou le fichier du programme est en cours d’écriture : {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory for this model</source>
            <translation>Il n’y a pas assez de mémoire pour ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs more than this computer has available.</source>
            <translation>Le moteur a besoin de plus que ce dont cet ordinateur dispose.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use this model</source>
            <translation>Le moteur ne peut pas utiliser ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The file's header does not match its weights, or this engine does not support it.</source>
            <translation>L’en-tête du fichier ne correspond pas à ses poids, ou ce moteur ne le prend pas en charge.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another model or engine.</source>
            <translation>Téléchargez à nouveau le modèle, ou choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of {named}</source>
            <translation>Le moteur n’accepte pas la valeur de {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The value is not valid or is missing.</source>
            <translation>La valeur n’est pas valide ou manque.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct it in the settings. It may be in “Extra arguments”.</source>
            <translation>Corrigez-la dans les paramètres. Elle se trouve peut-être dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine aborted</source>
            <translation>Le moteur s’est interrompu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>An internal error occurred.</source>
            <translation>Une erreur interne s’est produite.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>See the last lines of its log. If it happens again, choose another model or engine.</source>
            <translation>Consultez les dernières lignes de son journal. Si cela se reproduit, choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not know the argument {named}</source>
            <translation>Le moteur ne connaît pas l’argument {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not recognize this argument.</source>
            <translation>Il ne reconnaît pas cet argument.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from “Extra arguments” in the settings, or correct its name.</source>
            <translation>Retirez-le de « Arguments supplémentaires » dans les paramètres, ou corrigez-y son nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The built-in engine does not support the argument {named}</source>
            <translation>Le moteur intégré n’a pas l’argument {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is an argument of llama-server that the built-in llama.cpp library does not support.</source>
            <translation>C’est un argument de llama-server que la bibliothèque llama.cpp intégrée ne prend pas en charge.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from “Extra arguments”, or set “Engine” to your own llama-server.</source>
            <translation>Retirez-le de « Arguments supplémentaires », ou indiquez dans « Moteur » votre propre llama-server.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot read the file or folder given with {named}</source>
            <translation>Le moteur ne peut pas lire le fichier ou dossier indiqué par {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not exist, or you do not have permission to read it.</source>
            <translation>Il n’existe pas, ou vous n’avez pas le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct “Extra arguments” in the settings. Paths must be complete.</source>
            <translation>Corrigez « Arguments supplémentaires » dans les paramètres. Les chemins doivent y être complets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the projector {named}</source>
            <translation>Le moteur ne peut pas utiliser le projecteur {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was made for another model, or this engine does not support it.</source>
            <translation>Il a été conçu pour un autre modèle, ou ce moteur ne le prend pas en charge.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set “Projector” of this model to the mmproj file made for it, or to none. It may also be in “Extra arguments”.</source>
            <translation>Réglez « Projecteur » de ce modèle sur le fichier mmproj fait pour lui, ou sur none. Il peut aussi figurer dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the file {named}</source>
            <translation>Le moteur ne peut pas utiliser le fichier {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is the wrong kind of file for this argument, or it was made for another model.</source>
            <translation>Ce n’est pas le bon type de fichier pour cet argument, ou il a été conçu pour un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct “Extra arguments” in the settings.</source>
            <translation>Corrigez « Arguments supplémentaires » dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of an argument</source>
            <translation>Le moteur n’accepte pas la valeur d’un argument</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs a number but was given something else.</source>
            <translation>Il attend un nombre, mais a reçu autre chose.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a newer system</source>
            <translation>Le moteur demande un système plus récent</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs {named}, which this system does not have.</source>
            <translation>Il exige {named}, absent de ce système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Use the built-in engine, or one that was built for this system or an older one.</source>
            <translation>Utilisez le moteur intégré, ou un moteur compilé pour ce système ou un plus ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a missing system library</source>
            <translation>Il manque au moteur une bibliothèque du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>{named} is not on this computer.</source>
            <translation>{named} n’est pas sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the package that contains it, or choose another engine in the settings.</source>
            <translation>Installez le paquet qui la contient, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the software that contains it, or choose another engine in the settings.</source>
            <translation>Installez le logiciel qui la contient, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine did not find an NVIDIA graphics card</source>
            <translation>Le moteur ne trouve pas de carte graphique NVIDIA</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for NVIDIA cards, but there is none, or its driver is missing or too old.</source>
            <translation>Il est conçu pour les cartes NVIDIA, mais il n’y en a pas, ou son pilote est absent ou trop ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built without CUDA, or install the NVIDIA driver.</source>
            <translation>Choisissez un moteur compilé sans CUDA, ou installez le pilote NVIDIA.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This version of PowerInfer cannot run the model with one thread</source>
            <translation>Cette version de PowerInfer ne peut pas exécuter le modèle avec un seul thread</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for graphics cards. When part of a sparse model is in main memory, it needs several threads and then gives wrong results.</source>
            <translation>Elle a été compilée pour les cartes graphiques. Quand une partie d’un modèle creux est en mémoire principale, elle exige plusieurs threads et donne alors des résultats erronés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server that was built without CUDA, or a model that fits in graphics memory.</source>
            <translation>Choisissez un serveur PowerInfer compilé sans CUDA, ou un modèle qui tient dans la mémoire graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is a sparse model, which other engines cannot read.</source>
            <translation>C’est un modèle creux, que les autres moteurs ne savent pas lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server as the engine in the settings.</source>
            <translation>Choisissez un serveur PowerInfer comme moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is not a model</source>
            <translation>Le fichier de modèle n’est pas un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not start like a GGUF file.</source>
            <translation>Il ne commence pas comme un fichier GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is missing</source>
            <translation>Le fichier de modèle a disparu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>{named} does not exist.</source>
            <translation>{named} n’existe pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Put it back, or choose another model.</source>
            <translation>Remettez-le en place, ou choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is incomplete</source>
            <translation>Le fichier de modèle est incomplet</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The end of the file is missing.</source>
            <translation>La fin du fichier manque.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not support “{named}” models</source>
            <translation>Le moteur ne prend pas en charge les modèles « {named} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine is too old for this architecture or was built without it.</source>
            <translation>Ce moteur est trop ancien pour cette architecture, ou a été compilé sans elle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose another model, or another engine in the settings.</source>
            <translation>Choisissez un autre modèle, ou un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough graphics memory for this model</source>
            <translation>La mémoire graphique ne suffit pas pour ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs more than the card has available. Other programs may be using some of it.</source>
            <translation>Le moteur a besoin de plus que ce dont la carte dispose. D’autres programmes en utilisent peut-être une partie.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reduce “VRAM budget” or the context size, or close other programs that use the card.</source>
            <translation>Réduisez la « Limite de mémoire graphique » ou la taille du contexte, ou fermez les autres programmes qui utilisent la carte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept these settings</source>
            <translation>Le moteur n’accepte pas ces réglages</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It says: {named}.</source>
            <translation>Il indique : {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct the settings. The cause may be in “Extra arguments”.</source>
            <translation>Corrigez les paramètres. La cause se trouve peut-être dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine does not run on this processor</source>
            <translation>Ce moteur ne fonctionne pas sur ce processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It uses instructions that the processor does not have.</source>
            <translation>Il utilise des instructions que le processeur n’a pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built for older processors.</source>
            <translation>Choisissez un moteur compilé pour des processeurs plus anciens.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine crashed</source>
            <translation>Le moteur a planté</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It accessed invalid memory. A damaged model file may be the cause.</source>
            <translation>Il a accédé à une zone de mémoire non valide. Un fichier de modèle endommagé peut en être la cause.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model can no longer be read</source>
            <translation>Le modèle ne peut plus être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>While the engine was using it, its file was cut short or its drive was disconnected.</source>
            <translation>Pendant que le moteur l’utilisait, son fichier a été tronqué ou son lecteur déconnecté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Reconnect the drive, or download the model again.</source>
            <translation>Reconnectez le lecteur, ou téléchargez à nouveau le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine was stopped by another program</source>
            <translation>Le moteur a été arrêté par un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program stopped it, or the system did because it ran out of memory.</source>
            <translation>Un autre programme l’a arrêté, ou le système l’a fait par manque de mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Ctrl-C was pressed, its window was closed, or the user logged off.</source>
            <translation>Ctrl-C a été pressé, sa fenêtre a été fermée, ou l’utilisateur a fermé sa session.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The app restarts it.</source>
            <translation>L’application le redémarre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL that it needs is missing or has the wrong version.</source>
            <translation>Une DLL dont il a besoin est absente ou n’a pas la bonne version.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the Microsoft Visual C++ runtime, or choose another engine in the settings.</source>
            <translation>Installez le runtime Microsoft Visual C++, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine was built for another kind of computer</source>
            <translation>Ce moteur a été conçu pour un autre type d’ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine or a DLL that it needs does not work with this version of Windows.</source>
            <translation>Le moteur ou une DLL dont il a besoin ne fonctionne pas avec cette version de Windows.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL failed to initialize. This also happens while Windows is shutting down.</source>
            <translation>Une DLL n’a pas pu être initialisée. Cela se produit aussi pendant l’arrêt de Windows.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Try again. If it happens again, choose another engine in the settings.</source>
            <translation>Réessayez. Si cela se reproduit, choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>The engine {name} did not find a graphics card</source>
            <translation>Le moteur {name} ne trouve pas de carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>It does not list any card that it can use.</source>
            <translation>Il n’énumère aucune carte qu’il puisse utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>Check that the card's driver works, or set “Engine” to auto.</source>
            <translation>Vérifiez que le pilote de la carte fonctionne, ou réglez « Moteur » sur auto.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>{name} is not an engine</source>
            <translation>{name} n’est pas un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/finding.py" />
            <source>Its --help output does not look like that of a model server.</source>
            <translation>Sa sortie de --help ne ressemble pas à celle d’un serveur de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>PowerInfer gives wrong results for sparse models with several threads, so only one is used.</source>
            <translation>Avec plusieurs threads, PowerInfer donne des résultats erronés pour les modèles creux : un seul est donc utilisé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Only sparse models need several processes. This model uses several threads.</source>
            <translation>Seuls les modèles creux ont besoin de plusieurs processus. Ce modèle utilise plusieurs threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The remote server decides this.</source>
            <translation>C’est le serveur distant qui en décide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not have this option.</source>
            <translation>Le moteur qui exécute ce modèle n’a pas cette option.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Apple silicon shares its memory with the graphics processor, so there is no limit to set.</source>
            <translation>Sur Apple Silicon, la mémoire est partagée avec le processeur graphique : il n’y a pas de limite à régler.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>This computer has no NVIDIA graphics card that the engine can use.</source>
            <translation>Cet ordinateur n’a pas de carte graphique NVIDIA que le moteur puisse utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not support a graphics memory limit.</source>
            <translation>Le moteur qui exécute ce modèle ne prend pas en charge de limite de mémoire graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model does not use a graphics card.</source>
            <translation>Le moteur qui exécute ce modèle n’utilise pas de carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Choose a PowerInfer server or a llama-server program.</source>
            <translation>Choisissez un serveur PowerInfer ou un programme llama-server.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>There is no engine at {path}</source>
            <translation>Il n’y a pas de moteur à {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is a folder.</source>
            <translation>C’est un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is not a file.</source>
            <translation>Ce n’est pas un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} was built for another kind of computer</source>
            <translation>{name} a été conçu pour un autre type d’ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It runs on {system} ({machines}). This computer has {here} ({machine}).</source>
            <translation>Il fonctionne sous {system} ({machines}). Cet ordinateur est sous {here} ({machine}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Download the version for {system} ({machine}), or choose another engine.</source>
            <translation>Téléchargez la version pour {system} ({machine}), ou choisissez un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not executable</source>
            <translation>{name} n’est pas exécutable</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>The file has no execute permission.</source>
            <translation>Le fichier n’a pas le droit d’exécution.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust this engine, run: chmod +x '{path}'</source>
            <translation>Si vous faites confiance à ce moteur, exécutez : chmod +x ’{path}’</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It did not answer when asked for its options.</source>
            <translation>Il n’a pas répondu quand ses options lui ont été demandées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS blocked {name}</source>
            <translation>macOS a bloqué {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS has quarantined it because it was downloaded.</source>
            <translation>macOS l’a mis en quarantaine parce qu’il a été téléchargé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust it, run: xattr -d com.apple.quarantine '{path}'</source>
            <translation>Si vous lui faites confiance, exécutez : xattr -d com.apple.quarantine ’{path}’</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not a program</source>
            <translation>{name} n’est pas un programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>The engine cannot open a file named {name}</source>
            <translation>Le moteur ne peut pas ouvrir un fichier nommé {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It accepts only names in UTF-8, and a link could not be created: {reason}.</source>
            <translation>Il n’accepte que les noms en UTF-8, et un lien n’a pas pu être créé : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that its name contains only valid characters.</source>
            <translation>Renommez le fichier pour que son nom ne contienne que des caractères valides.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>PowerInfer cannot open a file named {name}</source>
            <translation>PowerInfer ne peut pas ouvrir un fichier nommé {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It accepts only ASCII names, and the file could not be given another name here: {reason}.</source>
            <translation>Il n’accepte que les noms en ASCII, et le fichier n’a pas pu recevoir un autre nom ici : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file using only the letters a to z and digits, or move it to an NTFS disk.</source>
            <translation>Renommez le fichier avec seulement des lettres de a à z et des chiffres, ou déplacez-le sur un disque NTFS.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server has no address</source>
            <translation>Le serveur distant n’a pas d’adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>“{url}” is not a server address.</source>
            <translation>« {url} » n’est pas une adresse de serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The setting “Remote server address” is empty.</source>
            <translation>Le réglage « Adresse du serveur distant » est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Enter its base URL, such as http://192.168.1.20:8000/v1.</source>
            <translation>Indiquez son URL de base, par exemple http://192.168.1.20:8000/v1.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server cannot be this app itself</source>
            <translation>Le serveur distant ne peut pas être cette application elle-même</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>{url} is the address of this app.</source>
            <translation>{url} est l’adresse de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Enter the address of the other computer.</source>
            <translation>Indiquez l’adresse de l’autre ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It used {taken:.1f} GiB of memory while loading.</source>
            <translation>Il a utilisé {taken:.1f} Gio de mémoire pendant le chargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>While loading, it was busy for {seconds:.0f} seconds without reading or printing anything.</source>
            <translation>Pendant le chargement, il est resté occupé {seconds:.0f} secondes sans rien lire ni afficher.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Context size” instead. It keeps requests within the engine's limits.</source>
            <translation>Réglez plutôt « Taille du contexte » : elle maintient les requêtes dans les limites du moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Model” instead.</source>
            <translation>Réglez plutôt « Modèle ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine would download the model itself. Download it with this app and set “Model”.</source>
            <translation>Le moteur téléchargerait lui-même le modèle. Téléchargez-le avec cette application et réglez « Modèle ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine. Other apps use the server's address.</source>
            <translation>Seule cette application se connecte au moteur. Les autres utilisent l’adresse du serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine. To set a key for other apps, run: powerinfer-tray key set gateway</source>
            <translation>Seule cette application se connecte au moteur. Pour définir une clé pour les autres : powerinfer-tray key set gateway</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app connects to the engine, and the engine runs nothing for web pages or models.</source>
            <translation>Seule cette application se connecte au moteur, qui n’exécute rien pour des pages web ou des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine always provides both embeddings and text.</source>
            <translation>Le moteur fournit toujours à la fois des embeddings et du texte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>This app sets it, because separate caches make the engine pool the texts of a list wrongly.</source>
            <translation>C’est cette application qui le règle, car avec des caches séparés le moteur agrège mal les textes d’une liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine uses its own free port. Apps use the port in the setting “Port”.</source>
            <translation>Le moteur utilise son propre port libre. Les applications utilisent celui du réglage « Port ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Comments in a stream make some apps fail.</source>
            <translation>Des commentaires dans un flux font échouer certaines applications.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set “Stop when idle” instead.</source>
            <translation>Réglez plutôt « Arrêter en cas d’inactivité ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>It makes the engine print something and exit.</source>
            <translation>Il fait que le moteur affiche un texte et se termine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>PowerInfer mixes up simultaneous requests and crashes.</source>
            <translation>PowerInfer confond les requêtes simultanées et plante.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>“Extra arguments” cannot contain {flag}</source>
            <translation>« Arguments supplémentaires » ne peut pas contenir {flag}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Remove it.</source>
            <translation>Supprimez-le.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>The model could not be loaded</source>
            <translation>Le modèle n’a pas pu être chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot create embeddings with this model</source>
            <translation>Le moteur ne peut pas calculer d’embeddings avec ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot rerank with this model</source>
            <translation>Le moteur ne peut pas faire de classement avec ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Choose another model or engine.</source>
            <translation>Choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>It answered with HTTP status {status}.</source>
            <translation>Il a répondu avec le statut HTTP {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answer is not valid.</source>
            <translation>Sa réponse n’est pas valide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain values that are not numbers.</source>
            <translation>Ses réponses contiennent des valeurs qui ne sont pas des nombres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain only zeros.</source>
            <translation>Ses réponses ne contiennent que des zéros.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is no longer used</source>
            <translation>Le serveur distant n’est plus utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server rejected the key</source>
            <translation>Le serveur distant a refusé la clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url} answered with HTTP status {status}.</source>
            <translation>{url} a répondu avec le statut HTTP {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Enter the server's key in the settings under “Engine &amp; speed”, or run: powerinfer-tray key set remote</source>
            <translation>Saisissez la clé du serveur dans les paramètres sous « Moteur et vitesse », ou exécutez : powerinfer-tray key set remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no models</source>
            <translation>Le serveur distant n’a aucun modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}/models answered with HTTP status {status} but without a list of models.</source>
            <translation>{url}/models a répondu avec le statut HTTP {status}, mais sans liste de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check the address. It usually ends in /v1. If the server does not list its models, enter one under “Remote model”.</source>
            <translation>Vérifiez l’adresse. Elle se termine généralement par /v1. Si le serveur n’indique pas ses modèles, saisissez-en un sous « Modèle distant ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no model “{model}”</source>
            <translation>Le serveur distant n’a pas de modèle « {model} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>It has {names}.</source>
            <translation>Il a {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Choose one of these, or leave “Remote model” empty.</source>
            <translation>Choisissez l’un d’eux, ou laissez « Modèle distant » vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is not responding</source>
            <translation>Le serveur distant ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}: {reason}.</source>
            <translation>{url} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check that it is running and that this computer can reach it. The app keeps trying.</source>
            <translation>Vérifiez qu’il fonctionne et que cet ordinateur peut le joindre. L’application continue d’essayer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Monitoring of the engine failed</source>
            <translation>La surveillance du moteur a échoué</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Restart the app.</source>
            <translation>Redémarrez l’application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The app did not answer</source>
            <translation>L’application n’a pas répondu</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Another program answered instead. Nothing was sent to it.</source>
            <translation>Un autre programme a répondu à sa place. Rien ne lui a été transmis.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Restart PowerInfer Tray.</source>
            <translation>Redémarrez PowerInfer Tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The running app refused the command</source>
            <translation>L’application en cours d’exécution a refusé la commande</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It answered with status {status}.</source>
            <translation>Elle a répondu avec le statut {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Version {version} is running</source>
            <translation>La version {version} est en cours d’exécution</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>A different version of PowerInfer Tray is running (PID {pid})</source>
            <translation>Une autre version de PowerInfer Tray est en cours d’exécution (PID {pid})</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{runs}, which does not support “{name}”. This command is from version {ours}.</source>
            <translation>{runs} et ne prend pas en charge « {name} ». Cette commande provient de la version {ours}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Restart the app: powerinfer-tray quit, then powerinfer-tray.</source>
            <translation>Redémarrez l’application : powerinfer-tray quit, puis powerinfer-tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray has quit</source>
            <translation>PowerInfer Tray s’est arrêté</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It was running (PID {pid}) but no longer responds.</source>
            <translation>Il était en cours d’exécution (PID {pid}), mais ne répond plus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>What it was doing has stopped, too. Run the command again.</source>
            <translation>Ce qu’il faisait s’est arrêté aussi. Relancez la commande.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray is running (PID {pid}) but not responding</source>
            <translation>PowerInfer Tray est en cours d’exécution (PID {pid}), mais ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It has not answered for {seconds:.0f} s.</source>
            <translation>Il n’a pas répondu depuis {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It may be busy. Try again in a moment. If that does not help, end the process.</source>
            <translation>Il est peut-être occupé. Réessayez dans un instant. Si cela ne suffit pas, terminez le processus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray cannot be reached</source>
            <translation>PowerInfer Tray est injoignable</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{path} is locked, as when PowerInfer Tray is running, but it does not answer.</source>
            <translation>{path} est verrouillé, comme lorsque PowerInfer Tray est en cours d’exécution, mais celui-ci ne répond pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>If PowerInfer Tray is running, restart it. If not, delete this file.</source>
            <translation>Si PowerInfer Tray est en cours d’exécution, redémarrez-le. Sinon, supprimez ce fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer in time</source>
            <translation>Le serveur n’a pas répondu à temps</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>{url} has not answered for {seconds:.0f} s.</source>
            <translation>{url} n’a pas répondu depuis {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Try again later, or see its log.</source>
            <translation>Réessayez plus tard, ou consultez son journal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer</source>
            <translation>Le serveur n’a pas répondu</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>There is no answer at {url}.</source>
            <translation>Pas de réponse à {url}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Start the server, or see its log.</source>
            <translation>Démarrez le serveur, ou consultez son journal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Unexpected answer from the server</source>
            <translation>Réponse inattendue du serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>It has status {status} and is not what this app expects.</source>
            <translation>Elle a le statut {status} et n’est pas ce que cette application attend.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The answer was interrupted</source>
            <translation>La réponse s’est interrompue</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server closed the connection.</source>
            <translation>Le serveur a fermé la connexion.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server refused the text</source>
            <translation>Le serveur a refusé le texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The conversation is too long for the model</source>
            <translation>La conversation est trop longue pour le modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>It is kept. Start a new one, or continue from an earlier message.</source>
            <translation>Elle est conservée. Commencez-en une nouvelle, ou reprenez à partir d’un message antérieur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The model cannot use these pictures</source>
            <translation>Le modèle ne peut pas utiliser ces images</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>Leave them out, or choose a model that can see.</source>
            <translation>Retirez-les, ou choisissez un modèle qui peut voir.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>This model cannot chat</source>
            <translation>Ce modèle ne peut pas converser</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>Part of the stream is not what this app expects.</source>
            <translation>Une partie du flux n’est pas ce que cette application attend.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the best one that fits.</source>
            <translation>C’est le meilleur de ceux qui tiennent en mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the only model here.</source>
            <translation>C’est le seul modèle ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits but leaves little memory for other programs.</source>
            <translation>Il tient en mémoire, mais en laisse peu aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>No better one fits. With only {bits} bits per weight, answers get worse, so a smaller model may be better.</source>
            <translation>Aucun meilleur ne tient en mémoire. Avec seulement {bits} bits par poids, les réponses sont moins bonnes : un modèle plus petit peut faire mieux.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, loses little quality and answers about twice as fast as with 8 bits per weight.</source>
            <translation>Il tient en mémoire, perd peu en qualité et répond environ deux fois plus vite qu’avec 8 bits par poids.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and with {bits} bits per weight its results are nearly exact.</source>
            <translation>Il tient en mémoire et, avec {bits} bits par poids, ses résultats sont presque exacts.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and a small model would lose a lot of quality with fewer than {bits} bits per weight.</source>
            <translation>Il tient en mémoire, et un petit modèle perdrait beaucoup en qualité avec moins de {bits} bits par poids.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>From your own list.</source>
            <translation>De votre propre liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The URL does not name a model</source>
            <translation>L’URL ne désigne aucun modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>“{source}” does not contain the name of a .gguf file.</source>
            <translation>« {source} » n’indique pas le nom d’un fichier .gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The model catalog could not be read</source>
            <translation>Le catalogue de modèles n’a pas pu être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: {reason}</source>
            <translation>{id} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: another model has the same {name}.</source>
            <translation>{id} : un autre modèle a le même {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Your own list of models could not be used</source>
            <translation>Votre propre liste de modèles ne peut pas être utilisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</source>
            <translation>Chaque entrée doit avoir un id et une source : [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a projector file</source>
            <translation>un fichier de projection</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>an adapter file</source>
            <translation>un fichier adaptateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a supplementary file</source>
            <translation>un fichier complémentaire</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The file is empty.</source>
            <translation>Le fichier est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download it again.</source>
            <translation>Téléchargez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is an HTML page, probably the page that describes the file.</source>
            <translation>C’est une page HTML, sans doute celle qui décrit le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download the file itself. On Hugging Face, its URL contains /resolve/ instead of /blob/.</source>
            <translation>Téléchargez le fichier lui-même. Sur Hugging Face, son URL contient /resolve/ au lieu de /blob/.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is only a Git LFS pointer, not the file itself.</source>
            <translation>Ce n’est qu’un pointeur Git LFS, pas le fichier lui-même.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Run “git lfs pull”, or download the file.</source>
            <translation>Exécutez « git lfs pull », ou téléchargez le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It starts with {bytes} instead of GGUF or PWRI.</source>
            <translation>Il commence par {bytes} au lieu de GGUF ou PWRI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>No model is chosen</source>
            <translation>Aucun modèle n’est choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The server needs a model, but the setting “model” is empty.</source>
            <translation>Le serveur a besoin d’un modèle, mais le réglage « model » est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose one on the Models page, or try the built-in test model, which gives meaningless answers: powerinfer-tray serve --model test</source>
            <translation>Choisissez-en un sur la page Modèles, ou essayez le modèle de test intégré, dont les réponses n’ont pas de sens : powerinfer-tray serve --model test</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} does not exist</source>
            <translation>Le fichier de modèle {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>There is no file at {path}.</source>
            <translation>Il n’y a pas de fichier à {path}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose or download a model.</source>
            <translation>Choisissez ou téléchargez un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} already exists</source>
            <translation>{name} existe déjà</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is in {folder} and was left unchanged.</source>
            <translation>Il se trouve dans {folder} et n’a pas été modifié.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove it, or rename one of the files.</source>
            <translation>Supprimez-le, ou renommez l’un des fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The folder {name} does not exist</source>
            <translation>Le dossier {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>A slash at the end stands for a folder, but a model is a file.</source>
            <translation>La barre oblique finale désigne un dossier, et un modèle est un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove the slash, or check the name.</source>
            <translation>Retirez la barre oblique, ou vérifiez le nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} could not be read</source>
            <translation>Le fichier de modèle {name} n’a pas pu être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{why} ({path}).</source>
            <translation>{why} ({path}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Check the path and its permissions.</source>
            <translation>Vérifiez le chemin et ses droits d’accès.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose a model in the GGUF format.</source>
            <translation>Choisissez un modèle au format GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model</source>
            <translation>{name} n’est pas un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is incomplete</source>
            <translation>Le fichier de modèle {name} est incomplet</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download or copy it again.</source>
            <translation>Téléchargez-le ou copiez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is damaged</source>
            <translation>Le fichier de modèle {name} est endommagé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Its entry {key} has the unknown type {number:,}.</source>
            <translation>Son entrée {key} est du type inconnu {number:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It has {present:,} of {whole:,} bytes, so {missing:,} are missing.</source>
            <translation>Il a {present:,} octets sur {whole:,} ; il en manque {missing:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{model} cannot have {projector} as its projector</source>
            <translation>{model} ne peut pas avoir {projector} comme projecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Set “Projector” of this model to its mmproj file, or to none.</source>
            <translation>Réglez « Projecteur » de ce modèle sur son fichier mmproj, ou sur none.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model by itself</source>
            <translation>{name} n’est pas un modèle à lui seul</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is {kind}, which belongs to a model.</source>
            <translation>C’est {kind}, qui accompagne un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose the model that it belongs to.</source>
            <translation>Choisissez le modèle auquel il appartient.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} MiB</source>
            <translation>{size} Mio</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} GiB</source>
            <translation>{size} Gio</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of available memory.</source>
            <translation>Il lui faut {need} sur les {room} de mémoire disponible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of available memory. Close other programs first.</source>
            <translation>Il lui faut {need} sur les {room} de mémoire disponible. Fermez d’abord d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>With a context size of {context} it needs {need}, but only {room} of memory is available. Try a context size of {smaller}.</source>
            <translation>Avec une taille de contexte de {context}, il lui faut {need}, mais seuls {room} de mémoire sont disponibles. Essayez une taille de contexte de {smaller}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need}, but only {room} of memory is available. Try a smaller quantization or model.</source>
            <translation>Il lui faut {need}, mais seuls {room} de mémoire sont disponibles. Essayez une quantification ou un modèle plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>Its weights alone need {weights}, but only {room} of memory is available. Try a smaller quantization or model.</source>
            <translation>Ses poids à eux seuls occupent {weights}, mais seuls {room} de mémoire sont disponibles. Essayez une quantification ou un modèle plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It ends after {count:,} bytes, within its header.</source>
            <translation>Il se termine après {count:,} octets, au milieu de son en-tête.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>tensors</source>
            <translation>tenseurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>entries</source>
            <translation>entrées</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It does not give the model's architecture.</source>
            <translation>Il ne dit pas de quelle architecture est le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header would be {count:,} bytes long.</source>
            <translation>Son en-tête occuperait {count:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is a folder</source>
            <translation>{name} est un dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>A model is a single file.</source>
            <translation>Un modèle est un fichier unique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Choose the model file in that folder.</source>
            <translation>Choisissez le fichier de modèle dans ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is not a regular file.</source>
            <translation>Ce n’est pas un fichier ordinaire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header claims to have {count:,} {what}.</source>
            <translation>Son en-tête annonce {count:,} {what}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>characters in one text</source>
            <translation>caractères dans un seul texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its tensor {name} has {count:,} dimensions.</source>
            <translation>Son tenseur {name} a {count:,} dimensions.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its weights are aligned to {number}.</source>
            <translation>Ses poids sont alignés sur {number}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is for another kind of computer</source>
            <translation>{name} est destiné à un autre type d’ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its numbers are stored in big-endian order.</source>
            <translation>Ses nombres sont enregistrés en gros-boutiste (big-endian).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Download the usual, little-endian file.</source>
            <translation>Téléchargez le fichier habituel, en petit-boutiste (little-endian).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too new for this app</source>
            <translation>{name} est trop récent pour cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too old for this app</source>
            <translation>{name} est trop ancien pour cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It uses version {version:,} of the GGUF format. This app supports versions 2 and 3.</source>
            <translation>Il utilise la version {version:,} du format GGUF. Cette application prend en charge les versions 2 et 3.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Look for an update of this app or another file of the same model.</source>
            <translation>Cherchez une mise à jour de cette application, ou un autre fichier du même modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The search for models failed</source>
            <translation>La recherche de modèles a échoué</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>{site} did not send a list of models.</source>
            <translation>{site} n’a pas envoyé de liste de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Try again later, or check the setting hf_endpoint.</source>
            <translation>Réessayez plus tard, ou vérifiez le réglage hf_endpoint.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The search for models is not possible because {host} cannot be reached. Check your internet connection.</source>
            <translation>La recherche de modèles est impossible, car {host} est injoignable. Vérifiez votre connexion à Internet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server is sending far more data than a list needs.</source>
            <translation>Le serveur envoie bien plus de données que n’en demande une liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server's list could not be loaded</source>
            <translation>La liste du serveur n’a pas pu être chargée</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Free some space, or link the model instead of copying it.</source>
            <translation>Libérez de l’espace, ou liez le modèle au lieu de le copier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>{name} could not be imported</source>
            <translation>{name} n’a pas pu être importé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>This disk cannot store such large files (FAT32: 4 GB). Choose a models folder on another disk, or link the model.</source>
            <translation>Ce disque ne peut pas stocker de fichiers aussi volumineux (FAT32 : 4 Go). Choisissez un dossier des modèles sur un autre disque, ou liez le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that you have permission to write there. If links cannot be created, copy or move the model.</source>
            <translation>Vérifiez que vous avez le droit d’y écrire. Si les liens ne peuvent pas être créés, copiez ou déplacez le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check the free space and that you have permission to write there.</source>
            <translation>Vérifiez l’espace libre et que vous avez le droit d’y écrire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/integrity.py" />
            <source>Its SHA-256 is now {actual} instead of {expected}.</source>
            <translation>Son SHA-256 est maintenant {actual} au lieu de {expected}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is a different kind of file.</source>
            <translation>C’est un fichier d’un autre type.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Several models are called {reference}</source>
            <translation>Plusieurs modèles s’appellent {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>{models}.</source>
            <translation>{models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Choose one of them by its ID.</source>
            <translation>Indiquez l’un d’eux par son identifiant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>It is not known where {name} came from.</source>
            <translation>La provenance de {name} est inconnue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>The server does not give versions of the file.</source>
            <translation>Le serveur n’indique pas les versions du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Free some space, or choose another folder.</source>
            <translation>Libérez de l’espace, ou choisissez un autre dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be quantized</source>
            <translation>{name} n’a pas pu être quantifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{program} turned it into a different kind of model.</source>
            <translation>{program} en a fait un modèle d’un autre type.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Use the program that comes with the model's engine.</source>
            <translation>Utilisez le programme qui va avec le moteur du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Check that the program can run and that you have permission to write there.</source>
            <translation>Vérifiez que le programme peut s’exécuter et que vous avez le droit d’y écrire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} cannot be quantized</source>
            <translation>{name} ne peut pas être quantifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>It is not a single, complete model file.</source>
            <translation>Ce n’est pas un fichier de modèle entier et unique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose a model that is a single file.</source>
            <translation>Choisissez un modèle en un seul fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Sparse models cannot be quantized to {type}.</source>
            <translation>Les modèles creux ne peuvent pas être quantifiés en {type}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Regular models cannot be quantized to {type}.</source>
            <translation>Les modèles ordinaires ne peuvent pas être quantifiés en {type}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose one of: {names}</source>
            <translation>Choisissez parmi : {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The folder {folder} does not exist.</source>
            <translation>Le dossier {folder} n’existe pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Create it, or choose another folder.</source>
            <translation>Créez-le, ou choisissez un autre dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be written</source>
            <translation>{name} n’a pas pu être écrit</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Delete it if you do not need it and check that you have permission to write there, or choose another folder.</source>
            <translation>Supprimez-le si vous n’en avez pas besoin et vérifiez que vous avez le droit d’y écrire, ou choisissez un autre dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The program stopped with {code}: {reason}</source>
            <translation>Le programme s’est terminé avec {code} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>To change the quantization of a model, start from its F16 or F32 file.</source>
            <translation>Pour changer la quantification d’un modèle, partez de son fichier F16 ou F32.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>it gave no reason.</source>
            <translation>il n’a donné aucune raison.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>Made for PowerInfer, which is installed on this computer.</source>
            <translation>Conçu pour PowerInfer, installé sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For embeddings in your language.</source>
            <translation>Pour les embeddings dans votre langue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For chats in your language, fast enough on this computer.</source>
            <translation>Pour discuter dans votre langue, assez rapide sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} has not been downloaded yet</source>
            <translation>{name} n’a pas encore été téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} is not in the models folder.</source>
            <translation>{name} n’est pas dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Download it: powerinfer-tray download {source}</source>
            <translation>Téléchargez-le : powerinfer-tray download {source}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is a URL, not a model on this computer.</source>
            <translation>C’est une URL, pas un modèle sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>There is no model {reference}</source>
            <translation>Il n’y a pas de modèle {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{alias} is another name for this model, which is not installed.</source>
            <translation>{alias} est un autre nom de ce modèle, qui n’est pas installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Download it, or give this name to another model.</source>
            <translation>Téléchargez-le, ou donnez ce nom à un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Check the name, enter the path of a file, or download a model.</source>
            <translation>Vérifiez le nom, indiquez le chemin d’un fichier, ou téléchargez un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>For the file in the current folder, type ./{name}</source>
            <translation>Pour le fichier du dossier actuel, tapez ./{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is neither a model in the catalog nor a file in {folder}.</source>
            <translation>Ce n’est ni un modèle du catalogue ni un fichier de {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{id} ({path})</source>
            <translation>{id} ({path})</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>The model has too many files</source>
            <translation>Le modèle comporte trop de fichiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>According to its name, {name} is one of {count:,} files. The limit is {most:,}.</source>
            <translation>D’après son nom, {name} est l’un de {count:,} fichiers. La limite est de {most:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>Download them with another program and put them all in the models folder.</source>
            <translation>Téléchargez-les avec un autre programme et placez-les tous dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a pipe.</source>
            <translation>C’est un tube (pipe).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a socket.</source>
            <translation>C’est un socket.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a device.</source>
            <translation>C’est un périphérique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It does not start like a model.</source>
            <translation>Il ne commence pas comme un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Only models can be removed. To list them, run: powerinfer-tray models list</source>
            <translation>Seuls les modèles peuvent être supprimés. Pour la liste : powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} could not be removed</source>
            <translation>{name} n’a pas pu être supprimé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} was replaced in the meantime</source>
            <translation>{name} a été remplacé entre-temps</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is no longer the file that was checked, so it was not touched.</source>
            <translation>Ce n’est plus le fichier vérifié ; il n’a donc pas été touché.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Check the list of models and try again.</source>
            <translation>Consultez la liste des modèles, et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/exporting.py" />
            <source>Texts cannot be exported as {kind}</source>
            <translation>Les textes ne peuvent pas être exportés au format {kind}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The model of this collection has changed</source>
            <translation>Le modèle de cette collection a changé</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>It was built with {model}, whose file or settings have changed, or which was removed.</source>
            <translation>Elle a été créée avec {model}, dont le fichier ou les réglages ont changé, ou qui a été supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Rebuild the collection.</source>
            <translation>Reconstruisez la collection.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Try another embedding model.</source>
            <translation>Essayez un autre modèle d’embedding.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The collection is full</source>
            <translation>La collection est pleine</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>The limit is {count} texts.</source>
            <translation>La limite est de {count} textes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/filling.py" />
            <source>Create another collection, or use a vector database.</source>
            <translation>Créez une autre collection ou utilisez une base de données vectorielle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>page {number}</source>
            <translation>page {number}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>line {number}</source>
            <translation>ligne {number}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>lines {first}–{last}</source>
            <translation>lignes {first}–{last}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>This collection was saved by a newer version of this app</source>
            <translation>Cette collection a été enregistrée par une version plus récente de cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>Update this app, or create a new collection.</source>
            <translation>Mettez cette application à jour ou créez une nouvelle collection.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>The collection could not be read</source>
            <translation>La collection n’a pas pu être lue</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/head.py" />
            <source>Delete it, then add your files to a new collection. The files themselves are unchanged.</source>
            <translation>Supprimez-la, puis ajoutez vos fichiers à une nouvelle collection. Les fichiers eux-mêmes sont inchangés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Its text can be read only with the password.</source>
            <translation>Son texte ne peut être lu qu’avec le mot de passe.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Save a copy without a password and add that.</source>
            <translation>Enregistrez une copie sans mot de passe et ajoutez-la.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} is encrypted</source>
            <translation>{name} est chiffré</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>This app does not support its encryption.</source>
            <translation>Cette application ne prend pas en charge son chiffrement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Print it to a new PDF file and add that.</source>
            <translation>Imprimez-le dans un nouveau fichier PDF et ajoutez celui-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>It is damaged, or not a PDF file: {reason}</source>
            <translation>Il est endommagé ou n’est pas un fichier PDF : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Open it in another app and save it again.</source>
            <translation>Ouvrez-le dans une autre application et enregistrez-le de nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} has no text</source>
            <translation>{name} ne contient pas de texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Its pages are empty or scanned pictures.</source>
            <translation>Ses pages sont vides ou sont des images numérisées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Run text recognition (OCR) on it first.</source>
            <translation>Appliquez-lui d’abord une reconnaissance de texte (OCR).</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>{name} takes too much time or memory</source>
            <translation>{name} demande trop de temps ou de mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Reading was stopped. The file may be damaged.</source>
            <translation>La lecture a été arrêtée. Le fichier est peut-être endommagé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/pdf.py" />
            <source>Split it, or save its text as a .txt file.</source>
            <translation>Divisez-le ou enregistrez son texte dans un fichier .txt.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>It is empty or contains no letters or digits.</source>
            <translation>Il est vide ou ne contient ni lettres ni chiffres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Its encoding is not UTF-8 and could not be recognized.</source>
            <translation>Son encodage n’est pas UTF-8 et n’a pas pu être reconnu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Save it as UTF-8 text.</source>
            <translation>Enregistrez-le comme texte UTF-8.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>{name} is not a supported file type</source>
            <translation>Le type de fichier de {name} n’est pas pris en charge</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Supported file types: {names}.</source>
            <translation>Types de fichiers pris en charge : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Save its text as a .txt file and add that.</source>
            <translation>Enregistrez son texte dans un fichier .txt et ajoutez celui-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>The limit for this file type is {count} MB.</source>
            <translation>La limite pour ce type de fichier est de {count} Mo.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Split it into smaller files.</source>
            <translation>Divisez-le en fichiers plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Too many files at a time</source>
            <translation>Trop de fichiers à la fois</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>The limit is {count} files at a time.</source>
            <translation>La limite est de {count} fichiers à la fois.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/reading.py" />
            <source>Choose a smaller folder.</source>
            <translation>Choisissez un dossier plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>There is no collection {name}</source>
            <translation>La collection {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>It may have been deleted.</source>
            <translation>Elle a peut-être été supprimée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Choose another collection.</source>
            <translation>Choisissez une autre collection.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>A name can have 1 to {most} characters.</source>
            <translation>Un nom peut avoir de 1 à {most} caractères.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>There is already a collection called “{name}”.</source>
            <translation>Il existe déjà une collection nommée « {name} ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>The collection is busy</source>
            <translation>La collection est occupée</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Texts are being added to it.</source>
            <translation>Des textes y sont en cours d’ajout.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Wait until that is done, or cancel it.</source>
            <translation>Attendez la fin ou annulez l’ajout.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>The collection cannot have this name</source>
            <translation>La collection ne peut pas porter ce nom</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/shelf.py" />
            <source>Choose another name.</source>
            <translation>Choisissez un autre nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/search/writer.py" />
            <source>Free some space, then add the same files again. Texts already in the collection are kept.</source>
            <translation>Libérez de l’espace, puis ajoutez de nouveau les mêmes fichiers. Les textes déjà dans la collection sont conservés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} must have 1 to {count} visible characters.</source>
            <translation>{entry} doit compter de 1 à {count} caractères visibles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} contains a comma or semicolon, which separates names.</source>
            <translation>{entry} contient une virgule ou un point-virgule, qui séparent les noms.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} looks like a path, a URL or an option.</source>
            <translation>{entry} ressemble à un chemin, à une URL ou à une option.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>A model cannot be named {entry}</source>
            <translation>Un modèle ne peut pas s’appeler {entry}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>For example: gpt-4o-mini</source>
            <translation>Par exemple : gpt-4o-mini</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} has entries that it cannot have</source>
            <translation>Le réglage {name} contient des entrées non valables</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be the full path of a folder, or empty for the usual one.</source>
            <translation>Il faut le chemin complet d’un dossier, ou rien pour l’emplacement habituel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be one of: {choices}.</source>
            <translation>Valeurs possibles : {choices}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an https address, or an http address of this computer, or empty.</source>
            <translation>Il faut une adresse https, une adresse http de cet ordinateur, ou rien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an http or https address.</source>
            <translation>Ce doit être une adresse http ou https.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be an http or https address, or empty.</source>
            <translation>Ce doit être une adresse http ou https, ou rester vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a whole number from {minimum} to {maximum}.</source>
            <translation>Il faut un nombre entier de {minimum} à {maximum}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a whole number from {minimum} to {maximum}, or "auto".</source>
            <translation>Il faut un nombre entier de {minimum} à {maximum}, ou "auto".</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a number from {minimum} to {maximum}.</source>
            <translation>Il faut un nombre de {minimum} à {maximum}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a number from {minimum} to {maximum}, or "auto".</source>
            <translation>Il faut un nombre de {minimum} à {maximum}, ou "auto".</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be true or false.</source>
            <translation>Il faut true ou false.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a text without control characters.</source>
            <translation>Il faut un texte sans caractères de contrôle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>It must be a list of texts without control characters.</source>
            <translation>Il faut une liste de textes sans caractères de contrôle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} cannot have a login or a key in its address</source>
            <translation>L’adresse du réglage {name} ne peut contenir ni identifiants ni clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Addresses are shown and logged, and no key is sent to this one.</source>
            <translation>Les adresses sont affichées et journalisées, et aucune clé n’est envoyée à celle-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Addresses are shown and logged; keys belong in the keychain: powerinfer-tray key set {key}</source>
            <translation>Les adresses sont affichées et journalisées ; les clés vont dans le trousseau : powerinfer-tray key set {key}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Leave out what stands before an @ and after a ?, and these signs.</source>
            <translation>Retirez ce qui précède @ et ce qui suit ?, ainsi que ces signes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The setting {name} cannot be {value}</source>
            <translation>Le réglage {name} ne peut pas être {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>For example: {name} = {example}</source>
            <translation>Par exemple : {name} = {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>There is no setting {name}</source>
            <translation>Il n’y a pas de réglage {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>Did you mean {name}?</source>
            <translation>Vouliez-vous dire {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>The settings are: {names}.</source>
            <translation>Les réglages sont : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/fields.py" />
            <source>All settings with their values: powerinfer-tray settings show</source>
            <translation>Tous les réglages avec leurs valeurs : powerinfer-tray settings show</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>API key</source>
            <translation>Clé d’API</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For apps on the local network</source>
            <translation>Pour les applications du réseau local</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Apps on other computers must send it as their OpenAI API key.</source>
            <translation>Les applications des autres ordinateurs doivent l’envoyer comme clé API OpenAI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>password, authentication, bearer</source>
            <translation>mot de passe, authentification, jeton</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Remote server key</source>
            <translation>Clé du serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>The API key of the remote server</source>
            <translation>La clé API du serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the engine remote, if its server asks for a key.</source>
            <translation>Pour le moteur remote, si son serveur demande une clé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Hugging Face token</source>
            <translation>Jeton Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For models with terms to accept</source>
            <translation>Pour les modèles soumis à des conditions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Some publishers want you to accept their terms first. The token is sent to huggingface.co only.</source>
            <translation>Certains éditeurs demandent d’abord d’accepter leurs conditions. Le jeton n’est envoyé qu’à huggingface.co.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>access token, gated, login, password</source>
            <translation>jeton d’accès, accès restreint, connexion, mot de passe</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>There is no key {name}</source>
            <translation>La clé {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>The keys are: {names}.</source>
            <translation>Les clés sont : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This is not a valid key</source>
            <translation>Cette clé n’est pas valide</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>A key consists of letters, digits and symbols, without spaces.</source>
            <translation>Une clé se compose de lettres, de chiffres et de symboles, sans espace.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This key is too easy to guess</source>
            <translation>Cette clé est trop facile à deviner</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Anyone on the local network can try keys, so use at least {count} characters without a pattern. “Generate” in the settings creates one.</source>
            <translation>N’importe qui sur le réseau local peut essayer des clés : il faut au moins {count} caractères, sans motif régulier. « Générer » dans les paramètres en crée une.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the environment variable {name}</source>
            <translation>dans la variable d’environnement {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the system's keychain</source>
            <translation>dans le trousseau du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the file {path}</source>
            <translation>dans le fichier {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Run: powerinfer-tray key set {name} --file</source>
            <translation>Exécutez : powerinfer-tray key set {name} --file</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>{command}, or set the environment variable {variable}.</source>
            <translation>{command}, ou définissez la variable d’environnement {variable}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>There is no valid key {place}</source>
            <translation>Il n’y a pas de clé valide {place}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Set it again, or remove it.</source>
            <translation>Définissez-la à nouveau, ou supprimez-la.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} belongs to a single model</source>
            <translation>Le réglage {name} appartient à un seul modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Each model has its own value. There is no value for all models.</source>
            <translation>Chaque modèle a sa propre valeur. Il n’y en a pas pour tous les modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Give the model: powerinfer-tray settings set {name} VALUE --model ID</source>
            <translation>Indiquez le modèle : powerinfer-tray settings set {name} VALEUR --model ID</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} applies to all models</source>
            <translation>Le réglage {name} s’applique à tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A model can have its own values for: {names}.</source>
            <translation>Un modèle peut avoir ses propres valeurs pour : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To set it for all models, run: powerinfer-tray settings set {name} VALUE</source>
            <translation>Pour le régler pour tous les modèles : powerinfer-tray settings set {name} VALEUR</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The engine of a model cannot be remote</source>
            <translation>Le moteur d’un modèle ne peut pas être remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A remote server has its own models, so it is chosen for all models.</source>
            <translation>Un serveur distant a ses propres modèles : il se choisit donc pour tous les modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To use it, run: powerinfer-tray settings set engine remote</source>
            <translation>Pour l’utiliser : powerinfer-tray settings set engine remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{alias} cannot be another name for {model}</source>
            <translation>{alias} ne peut pas être un autre nom de {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It is the ID of another model, {other}.</source>
            <translation>C’est l’identifiant d’un autre modèle, {other}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Choose a name that no other model has.</source>
            <translation>Choisissez un nom qu’aucun autre modèle n’a.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The model {other} has the same name.</source>
            <translation>Le modèle {other} porte le même nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{name} cannot be {value}</source>
            <translation>{name} ne peut pas être {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It must be a table with the settings of a model.</source>
            <translation>Ce doit être une table avec les paramètres d’un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>For example: [models."ID"]</source>
            <translation>Par exemple : [models."ID"]</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} contains an invisible character.</source>
            <translation>{entry} contient un caractère invisible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>An empty entry does not match any page.</source>
            <translation>Une entrée vide ne correspond à aucune page.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no scheme. Write it as browsers send it: https://{host} or http://{host}.</source>
            <translation>{entry} n’a pas de schéma. Écrivez-le comme les navigateurs l’envoient : https://{host}, ou http://{host}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>The scheme {scheme} cannot contain *. Enter each scheme, such as https://*.</source>
            <translation>Le schéma {scheme} ne peut pas contenir de * : indiquez chaque schéma, par exemple https://*.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{scheme} is not a scheme such as https.</source>
            <translation>{scheme} n’est pas un schéma tel que https.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Web pages do not use the scheme {scheme}. Write https or http.</source>
            <translation>Les pages web n’utilisent pas le schéma {scheme}. Écrivez https ou http.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers do not send a path. Write {origin} instead of {entry}.</source>
            <translation>Les navigateurs n’envoient pas de chemin : écrivez {origin} au lieu de {entry}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no host. Enter one, or * for any host.</source>
            <translation>{entry} n’a pas d’hôte. Indiquez-en un, ou * pour tous.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>In {entry}, * can only be the whole host, the part before the first dot, or the port: https://*.example.org, http://localhost:*.</source>
            <translation>Dans {entry}, * ne peut être que l’hôte entier, la partie avant le premier point ou le port : https://*.example.org, http://localhost:*.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers do not send a user name. Remove the part before the @.</source>
            <translation>Les navigateurs n’envoient pas de nom d’utilisateur : retirez ce qui précède le @.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Write {name} in ASCII as browsers send it, starting with xn--.</source>
            <translation>Écrivez {name} en ASCII, comme les navigateurs l’envoient : cela commence par xn--.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{port} is not a port. Enter a number up to 65535, or *.</source>
            <translation>{port} n’est pas un port : écrivez un nombre jusqu’à 65535, ou *.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{name} is not a host name.</source>
            <translation>{name} n’est pas un nom d’hôte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} cannot match any web page</source>
            <translation>{entry} ne peut correspondre à aucune page web</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Language</source>
            <translation>Langue</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the window, the menu and notifications</source>
            <translation>Pour la fenêtre, le menu et les notifications</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The command line and the logs are always in English.</source>
            <translation>La ligne de commande et les journaux sont toujours en anglais.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>translation, locale</source>
            <translation>traduction, anglais, français, japonais</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Launch at login</source>
            <translation>Lancer à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start in the tray when you log in</source>
            <translation>Démarrer en arrière-plan à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>autostart, boot, startup</source>
            <translation>démarrage automatique, lancement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server automatically</source>
            <translation>Démarrer le serveur automatiquement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>As soon as the app starts</source>
            <translation>Dès le lancement de l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>autostart, launch</source>
            <translation>démarrage automatique, lancement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Notifications</source>
            <translation>Notifications</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Downloads, crashes and refused apps</source>
            <translation>Téléchargements, pannes et applications refusées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tells you when a download or the installation of an engine finishes, when the server crashes, when an installed engine is not used, when a new version is available, and when an app or a web page on this computer is refused.</source>
            <translation>Vous prévient quand un téléchargement ou l’installation d’un moteur se termine, quand le serveur tombe en panne, quand un moteur installé n’est pas utilisé, quand une nouvelle version est disponible et quand une application ou une page web de cet ordinateur est refusée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>messages, alerts, notices</source>
            <translation>messages, alertes, avis</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tell me about new versions</source>
            <translation>M’informer des nouvelles versions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Once a week. Nothing is installed</source>
            <translation>Une fois par semaine. Rien n’est installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Asks where this app is released which version is the newest. Only the version that you have is sent.</source>
            <translation>Demande, là où cette application est publiée, quelle version est la plus récente. Seule la version que vous avez est envoyée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update, upgrade, release, check</source>
            <translation>mise à jour, mise à niveau, version, vérifier</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Release address</source>
            <translation>Adresse des versions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Empty: the releases on GitHub</source>
            <translation>Vide : les versions publiées sur GitHub</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where to ask for the newest version: the https address of a copy of what GitHub says of the latest release (JSON).</source>
            <translation>Où demander la version la plus récente : l’adresse https d’une copie de ce que GitHub indique de la dernière version (JSON).</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update, mirror, proxy, GitHub</source>
            <translation>mise à jour, miroir, proxy, GitHub</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Model</source>
            <translation>Modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Loaded when the server starts</source>
            <translation>Chargé au démarrage du serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Choose an installed model, or enter the ID of one in the catalog, the name of a file in the models folder, or the path of a file.</source>
            <translation>Choisissez un modèle installé, ou saisissez l’identifiant d’un modèle du catalogue, le nom d’un fichier du dossier des modèles ou le chemin d’un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GGUF, LLM, weights</source>
            <translation>GGUF, LLM, poids</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Other names</source>
            <translation>Autres noms</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Names that apps can use for this model</source>
            <translation>Noms utilisables par les applications</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For apps that only know the names of other models: gpt-4o-mini, for example.</source>
            <translation>Pour les applications qui ne connaissent que les noms d’autres modèles : gpt-4o-mini, par exemple.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>alias, rename</source>
            <translation>alias, renommer</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Context size</source>
            <translation>Taille du contexte</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How much text the model can use</source>
            <translation>Quantité de texte que le modèle peut utiliser</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>tokens</source>
            <translation>tokens</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A token is about three quarters of an English word. A larger context needs more memory. Automatic: up to 8192 tokens, as far as the model and the memory allow.</source>
            <translation>Un jeton vaut environ trois quarts d’un mot anglais. Un contexte plus grand demande plus de mémoire. Automatique : jusqu’à 8192 jetons, selon le modèle et la mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>context length, window, num_ctx, n_ctx, memory</source>
            <translation>longueur du contexte, fenêtre, mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Memory limit</source>
            <translation>Limite de mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For all loaded models together</source>
            <translation>Pour tous les modèles chargés ensemble</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GiB</source>
            <translation>Gio</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models are unloaded when another one would exceed it. Automatic: the memory that is free, minus a reserve for other apps.</source>
            <translation>Des modèles sont déchargés quand un autre dépasserait la limite. Automatique : la mémoire libre, moins une réserve pour les autres applications.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>RAM, memory budget</source>
            <translation>RAM, mémoire vive, budget</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>VRAM budget</source>
            <translation>Limite de mémoire graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Graphics memory to use on each card</source>
            <translation>Mémoire graphique à utiliser par carte</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory of each graphics card that engines may use. Automatic: what is free.</source>
            <translation>Le maximum de mémoire de chaque carte graphique que les moteurs peuvent utiliser. Automatique : ce qui est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GPU, VRAM, graphics memory limit, graphics card, video memory, layers</source>
            <translation>GPU, VRAM, limite de mémoire graphique, carte graphique, mémoire vidéo, couches</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Stop when idle</source>
            <translation>Arrêter en cas d’inactivité</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Unload the model after this time</source>
            <translation>Décharger le modèle après ce délai</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>minutes</source>
            <translation>minutes</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>After so many minutes without a request, the engine stops and frees its memory. 0 means never.</source>
            <translation>Après ce nombre de minutes sans requête, le moteur s’arrête et libère sa mémoire. 0 signifie jamais.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>sleep, unload, timeout, keep alive</source>
            <translation>veille, décharger, délai</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start on demand</source>
            <translation>Démarrer à la demande</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request wakes a sleeping server</source>
            <translation>Une requête réveille un serveur en veille</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request starts an engine that has stopped because it was idle, and waits for it. A server that you stop yourself stays stopped.</source>
            <translation>Une requête démarre un moteur arrêté pour inactivité et l’attend. Un serveur que vous arrêtez vous-même reste arrêté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>wake, sleep, idle</source>
            <translation>réveil, veille, inactivité</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Keep loaded</source>
            <translation>Garder chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Never make room for another model</source>
            <translation>Ne jamais céder la place à un autre modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The model stays in memory when another one needs room, and is loaded when the server starts.</source>
            <translation>Le modèle reste en mémoire quand un autre a besoin de place, et il est chargé au démarrage du serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>pin, memory, unload</source>
            <translation>épingler, mémoire, décharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Temperature</source>
            <translation>Température</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Higher values give more varied answers</source>
            <translation>Plus élevée : réponses plus variées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For requests that do not set a temperature themselves.</source>
            <translation>Pour les requêtes qui n’indiquent pas de température.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>creativity, randomness, sampling</source>
            <translation>créativité, hasard, échantillonnage</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default chat model</source>
            <translation>Modèle de conversation par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>When a request names no installed model</source>
            <translation>Si la requête ne nomme aucun modèle installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Answers every request except those for embeddings and rankings. Empty: the setting Model.</source>
            <translation>Répond à toutes les requêtes, sauf celles d’embeddings et de classements. Vide : le paramètre Modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>fallback</source>
            <translation>repli, remplacement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default embedding model</source>
            <translation>Modèle d’embedding par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Answers requests for embeddings and rankings. Empty: the setting Model.</source>
            <translation>Répond aux requêtes d’embeddings et de classements. Vide : le paramètre Modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>vectors, rerank, fallback</source>
            <translation>vecteurs, reclassement, repli</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Projector</source>
            <translation>Projecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Lets this model see pictures</source>
            <translation>Permet à ce modèle de voir les images</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The mmproj file of the model: a path, or a name in the models folder. Empty: the file beside the model. none: no pictures.</source>
            <translation>Le fichier mmproj du modèle : un chemin, ou un nom dans le dossier des modèles. Vide : le fichier à côté du modèle. none : pas d’images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>vision, images, mmproj, multimodal</source>
            <translation>vision, images, photos, multimodal</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Query prefix</source>
            <translation>Préfixe des questions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before texts embedded as queries</source>
            <translation>Placé devant les textes traités comme questions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Use the prefix that the model was trained with. You find it on the model's page.</source>
            <translation>Utilisez le préfixe avec lequel le modèle a été entraîné. Vous le trouverez sur la page du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>instruction, search_query, embeddings</source>
            <translation>instruction, recherche, embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Document prefix</source>
            <translation>Préfixe des documents</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before texts embedded as documents</source>
            <translation>Placé devant les textes traités comme documents</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>instruction, passage, search_document, embeddings</source>
            <translation>instruction, passage, embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Installed models only</source>
            <translation>Modèles installés seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refuse requests for other models</source>
            <translation>Refuser les requêtes pour d’autres modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request for a model that is not installed gets an error, not an answer from the default model.</source>
            <translation>Une requête pour un modèle non installé reçoit une erreur, et non une réponse du modèle par défaut.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>strict, model not found</source>
            <translation>strict, modèle introuvable</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Pooling</source>
            <translation>Agrégation</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How a text becomes one vector</source>
            <translation>Comment un texte devient un vecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Automatic: as the model's file says.</source>
            <translation>Automatique : selon le fichier du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mean, cls, last, rank, embeddings</source>
            <translation>moyenne, embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Shorter vectors</source>
            <translation>Vecteurs plus courts</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Let apps ask for fewer dimensions</source>
            <translation>Autoriser moins de dimensions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Only some models are trained for it. Automatic: by the model's name.</source>
            <translation>Seuls certains modèles sont entraînés pour cela. Automatique : d’après le nom du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Matryoshka, dimensions, embeddings</source>
            <translation>Matriochka, dimensions, embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine</source>
            <translation>Moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The program that runs models</source>
            <translation>Le programme qui exécute les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Choose one, or enter auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as llama.cpp-cuda, or the path of a server program of your own.</source>
            <translation>Choisissez-en un, ou saisissez auto, powerinfer, llama.cpp, llama-server, remote, un moteur installé tel que llama.cpp-cuda, ou le chemin de votre propre programme serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>llama.cpp, PowerInfer, CUDA, Vulkan, GPU, runtime</source>
            <translation>llama.cpp, PowerInfer, CUDA, Vulkan, GPU, carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote server address</source>
            <translation>Adresse du serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A server with OpenAI's API</source>
            <translation>Un serveur doté de l’API d’OpenAI</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the engine remote: its base URL, http://box:8000/v1, for example.</source>
            <translation>Pour le moteur remote : son URL de base, http://box:8000/v1 par exemple.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>URL, endpoint, OpenAI</source>
            <translation>URL, point d’accès, OpenAI</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote model</source>
            <translation>Modèle distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For requests that name no model</source>
            <translation>Pour les requêtes qui ne nomment aucun modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which of the remote server's models answers them. Empty: its first.</source>
            <translation>Le modèle du serveur distant qui y répond. Vide : le premier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads</source>
            <translation>Threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For writing answers</source>
            <translation>Pour écrire les réponses</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processor threads write an answer. Automatic: one for each physical core.</source>
            <translation>Nombre de threads du processeur qui écrivent une réponse. Automatique : un par cœur physique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CPU, cores, performance</source>
            <translation>CPU, processeur, cœurs, performances</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads for prompts</source>
            <translation>Threads pour les prompts</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For reading prompts and texts to embed</source>
            <translation>Pour lire les prompts et les textes à traiter</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processor threads read a prompt. Automatic: the same number as Threads.</source>
            <translation>Nombre de threads du processeur qui lisent un prompt. Automatique : autant que Threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CPU, cores, batch, performance</source>
            <translation>CPU, processeur, cœurs, lots, performances</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Batch size</source>
            <translation>Taille des lots</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prompt tokens processed in one step</source>
            <translation>Jetons du prompt traités en une étape</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>n_batch, ubatch, performance</source>
            <translation>lots, performances</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Workers</source>
            <translation>Processus de calcul</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processes that run a sparse model</source>
            <translation>Processus qui exécutent un modèle creux</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Each has one thread, and all share the model's weights. Automatic: one for every two physical cores, as far as memory allows.</source>
            <translation>Chacun a un thread et tous partagent les poids du modèle. Automatique : un pour deux cœurs physiques, selon la mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>PowerInfer, parallel, processes</source>
            <translation>PowerInfer, parallèle, processus</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Extra arguments</source>
            <translation>Arguments supplémentaires</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Added to the engine's command line</source>
            <translation>Ajoutés à la ligne de commande du moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>As the engine's help lists them: --flash-attn off, for example.</source>
            <translation>Tels que l’aide du moteur les indique : --flash-attn off, par exemple.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>flags, options, parameters, command line</source>
            <translation>options, paramètres, ligne de commande</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Who can connect</source>
            <translation>Qui peut se connecter</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>LAN, host, bind, share</source>
            <translation>réseau, partage, hôte</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Port</source>
            <translation>Port</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Part of the address that apps use</source>
            <translation>Fait partie de l’adresse du serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Apps connect to http://127.0.0.1:PORT/v1.</source>
            <translation>Les applications se connectent à http://127.0.0.1:PORT/v1.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>address, URL, listen</source>
            <translation>adresse, URL, écoute</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Allowed web pages</source>
            <translation>Pages web autorisées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Web pages that may use the server</source>
            <translation>Pages web qui peuvent utiliser le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Origins such as https://example.org, http://localhost:* or app://*. With * every page that you visit may use the server.</source>
            <translation>Des origines telles que https://example.org, http://localhost:* ou app://*. Avec *, toute page que vous visitez peut utiliser le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CORS, origins, browser</source>
            <translation>CORS, origines, navigateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refused apps and web pages</source>
            <translation>Applications et pages web refusées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>You are not asked about them again</source>
            <translation>La question ne vous est plus posée</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The origins of apps and web pages on this computer that you have refused.</source>
            <translation>Les origines des applications et pages web de cet ordinateur que vous avez refusées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>CORS, origins, blocked</source>
            <translation>CORS, origines, bloqué</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine routes</source>
            <translation>Routes du moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Also offer the engine's own API</source>
            <translation>Proposer aussi l’API propre au moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Routes such as /completion and /tokenize.</source>
            <translation>Des routes telles que /completion et /tokenize.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>native routes, endpoints, API</source>
            <translation>routes natives, points d’accès, API</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Metrics</source>
            <translation>Métriques</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Offer Prometheus counters at /metrics</source>
            <translation>Proposer des compteurs Prometheus sur /metrics</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>monitoring, statistics</source>
            <translation>surveillance, statistiques</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models folder</source>
            <translation>Dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where models are stored</source>
            <translation>Où les modèles sont enregistrés</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Downloads go here, and installed models are found here. Empty: the default folder.</source>
            <translation>Les téléchargements arrivent ici et les modèles installés s’y trouvent. Vide : le dossier par défaut.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>directory, path, disk, location</source>
            <translation>répertoire, chemin, disque, emplacement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Speed limit</source>
            <translation>Limite de débit</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For all downloads together</source>
            <translation>Pour tous les téléchargements ensemble</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>MB/s</source>
            <translation>Mo/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>0 means no limit.</source>
            <translation>0 signifie aucune limite.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>bandwidth, throttle</source>
            <translation>bande passante, débit</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Check for newer models</source>
            <translation>Rechercher des modèles plus récents</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Once a week. Nothing is downloaded</source>
            <translation>Une fois par semaine. Rien n’est téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Asks where your models came from whether their files have changed.</source>
            <translation>Demande aux sources de vos modèles si leurs fichiers ont changé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>update</source>
            <translation>mise à jour</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face address</source>
            <translation>Adresse de Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face, or a mirror of it</source>
            <translation>Hugging Face, ou un miroir</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where hf: sources lead. Use an https address for a mirror, so that your access token stays private.</source>
            <translation>Où mènent les sources hf:. Pour un miroir, utilisez une adresse https, afin que votre jeton d’accès reste privé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mirror, HF_ENDPOINT, proxy</source>
            <translation>miroir, proxy</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Connections</source>
            <translation>Connexions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>At most, for one download</source>
            <translation>Au maximum, pour un téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Automatic: a few, and more as long as that makes the download faster.</source>
            <translation>Automatique : quelques-unes, puis davantage tant que cela accélère le téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>parallel, segments</source>
            <translation>parallèle, segments</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine download address</source>
            <translation>Adresse de téléchargement des moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Empty: directly from the engines' makers</source>
            <translation>Vide : directement chez leurs auteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The address of a mirror, which has the files as RELEASE/FILE. They must be identical to the originals.</source>
            <translation>L’adresse d’un miroir, qui a les fichiers sous la forme VERSION/FICHIER. Ils doivent être identiques aux originaux.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>mirror, proxy, GitHub</source>
            <translation>miroir, proxy, GitHub</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Another program is changing the settings</source>
            <translation>Un autre programme modifie les paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has been locked for {seconds:.0f} seconds.</source>
            <translation>{path} est verrouillé depuis {seconds:.0f} secondes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Try again. If that does not help, quit the other PowerInfer Tray.</source>
            <translation>Réessayez. Si cela ne suffit pas, quittez l’autre PowerInfer Tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings could not be saved</source>
            <translation>Les paramètres n’ont pas pu être enregistrés</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Check that the disk is not full and that you have permission to write to this folder.</source>
            <translation>Vérifiez que le disque n’est pas plein et que vous avez le droit d’écrire dans ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}, model {model}: {title}. {reason}</source>
            <translation>ligne {number}, modèle {model} : {title}. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}: {title}. {reason}</source>
            <translation>ligne {number} : {title}. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file is from a newer version of this app</source>
            <translation>Le fichier des paramètres provient d’une version plus récente de cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has version {version}, but this app supports version {known}.</source>
            <translation>{path} est en version {version}, mais cette application prend en charge la version {known}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Install the newer version, or move the file to start with new settings. The file was not changed.</source>
            <translation>Installez la version plus récente, ou déplacez le fichier pour repartir avec de nouveaux paramètres. Le fichier n’a pas été modifié.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file has an error, so some defaults are used</source>
            <translation>Le fichier des paramètres contient une erreur ; certaines valeurs par défaut sont utilisées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path}: {cause}</source>
            <translation>{path} : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Correct the file, or choose these settings again. The file was not changed.</source>
            <translation>Corrigez le fichier, ou choisissez à nouveau ces réglages. Le fichier n’a pas été modifié.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Launch at login could not be changed</source>
            <translation>Le lancement à l’ouverture de session n’a pas pu être modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Check that you have permission to write to this location, or use the system settings.</source>
            <translation>Vérifiez que vous avez le droit d’écrire à cet emplacement, ou utilisez les réglages du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>Not enough disk space</source>
            <translation>Pas assez d’espace sur le disque</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>{needed:.2f} GB are needed. {folder} has {free:.2f} GB free, of which {reserve:.2f} GB are kept for other programs.</source>
            <translation>Il faut {needed:.2f} Go. {folder} a {free:.2f} Go libres, dont {reserve:.2f} Go réservés aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>{place} is not available.</source>
            <translation>{place} n’est pas disponible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>When it is back, the server starts automatically. Or choose another model or models folder.</source>
            <translation>Dès son retour, le serveur démarrera automatiquement. Ou choisissez un autre modèle ou dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The drive “{name}” is not connected</source>
            <translation>Le lecteur « {name} » n’est pas connecté</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The folder “{name}” is missing</source>
            <translation>Le dossier « {name} » a disparu</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Could not write to the folder</source>
            <translation>Impossible d’écrire dans le dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>{name} could not be saved</source>
            <translation>{name} n’a pas pu être enregistré</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Choose another folder.</source>
            <translation>Choisissez un autre dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Check the permissions of this folder, or set another one with POWERINFER_TRAY_HOME.</source>
            <translation>Vérifiez les droits de ce dossier, ou définissez-en un autre avec POWERINFER_TRAY_HOME.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>This system has no keychain</source>
            <translation>Ce système n’a pas de trousseau</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Keys are stored in a keychain (on Linux, GNOME Keyring or KWallet), but none was found.</source>
            <translation>Les clés sont enregistrées dans un trousseau (sous Linux, GNOME Keyring ou KWallet), mais aucun n’a été trouvé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>The keychain denied access</source>
            <translation>Le trousseau a refusé l’accès</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Unlock the system's keychain and try again.</source>
            <translation>Déverrouillez le trousseau du système et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} could not be read</source>
            <translation>Le fichier de clé {path} n’a pas pu être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>{reason}</source>
            <translation>{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Remove it, or give yourself permission to read it.</source>
            <translation>Supprimez-le, ou accordez-vous le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is not a file</source>
            <translation>Le fichier de clé {path} n’est pas un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Something else has this name.</source>
            <translation>Autre chose porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Other users can read the key file {path}</source>
            <translation>D’autres utilisateurs peuvent lire le fichier de clé {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Other users of this computer could read the key, so it is not used.</source>
            <translation>D’autres utilisateurs de cet ordinateur pourraient lire la clé : elle n’est donc pas utilisée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Run: chmod 600 "{path}". Then choose a new key, because someone may have read this one.</source>
            <translation>Exécutez : chmod 600 "{path}". Choisissez ensuite une nouvelle clé, car celle-ci a pu être lue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key could not be saved in or removed from a file</source>
            <translation>La clé n’a pas pu être enregistrée dans un fichier ou en être supprimée</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>You have no home folder</source>
            <translation>Vous n’avez pas de dossier personnel</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>The variable HOME is not set, and the system does not know this user.</source>
            <translation>La variable HOME n’est pas définie et le système ne connaît pas cet utilisateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/paths.py" />
            <source>Set HOME, or set {name} to a folder for all files of this app.</source>
            <translation>Définissez HOME, ou donnez à {name} un dossier pour tous les fichiers de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another program</source>
            <translation>un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another PowerInfer Tray</source>
            <translation>un autre PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name}</source>
            <translation>{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (service {service})</source>
            <translation>{name} (service {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid})</source>
            <translation>{name} (PID {pid})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid}, service {service})</source>
            <translation>{name} (PID {pid}, service {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Port {port} is in use by {programs}</source>
            <translation>Le port {port} est utilisé par {programs}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Only one program at a time can use a port.</source>
            <translation>Un seul programme à la fois peut utiliser un port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Stop the service {services}</source>
            <translation>Arrêtez le service {services}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Quit that program</source>
            <translation>Quittez ce programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port.</source>
            <translation>Choisissez un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port: {port} is free.</source>
            <translation>Choisissez un autre port : {port} est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port.</source>
            <translation>{remedy}, ou choisissez un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port: {port} is free.</source>
            <translation>{remedy}, ou choisissez un autre port : {port} est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>The system does not allow port {port}</source>
            <translation>Le système n’autorise pas le port {port}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Windows reserves ports {first} to {last}.</source>
            <translation>Windows réserve les ports {first} à {last}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Ports below {port} are reserved for system programs.</source>
            <translation>Les ports inférieurs à {port} sont réservés aux programmes du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>Something went wrong inside the app</source>
            <translation>Un problème est survenu dans l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>The log has the details.</source>
            <translation>Le journal donne les détails.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Pictures can have up to {most} MB.</source>
            <translation>Les images peuvent faire jusqu’à {most} Mo.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Save it at a smaller size and add it again.</source>
            <translation>Enregistrez-la dans une taille plus petite, puis ajoutez-la de nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Check that it is an ordinary file and that you may read it.</source>
            <translation>Vérifiez qu’il s’agit d’un fichier ordinaire et que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>{name} is not a picture</source>
            <translation>{name} n’est pas une image</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>PNG, JPEG, WebP, GIF and BMP files can be added.</source>
            <translation>Vous pouvez ajouter des fichiers PNG, JPEG, WebP, GIF et BMP.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The picture is damaged or too large.</source>
            <translation>L’image est endommagée ou trop grande.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Too many pictures</source>
            <translation>Trop d’images</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>A message can have up to {most} pictures.</source>
            <translation>Un message peut contenir jusqu’à {most} images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>Send this message first.</source>
            <translation>Envoyez d’abord ce message.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The pictures are too large</source>
            <translation>Les images sont trop volumineuses</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/chat_pictures.py" />
            <source>The pictures of a message can have up to {most} MB together.</source>
            <translation>Les images d’un message peuvent faire jusqu’à {most} Mo au total.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Folder…</source>
            <translation>&amp;Dossier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>F&amp;iles…</source>
            <translation>&amp;Fichiers…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Paste Text…</source>
            <translation>&amp;Coller du texte…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;New Collection…</source>
            <translation>&amp;Nouvelle collection…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in Qdrant with &amp;Python</source>
            <translation>Recherche dans Qdrant avec &amp;Python</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in Qdrant with &amp;curl</source>
            <translation>Recherche dans Qdrant avec &amp;curl</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Search in &amp;4D</source>
            <translation>Recherche dans &amp;4D</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Rename…</source>
            <translation>&amp;Renommer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Export…</source>
            <translation>&amp;Exporter…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>&amp;Delete…</source>
            <translation>&amp;Supprimer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Copied</source>
            <translation>Copié</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Rename the collection</source>
            <translation>Renommer la collection</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Name:</source>
            <translation>Nom :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>JSON Lines (*.jsonl)</source>
            <translation>JSON Lines (*.jsonl)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Table (*.csv)</source>
            <translation>Tableau (*.csv)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>NumPy (*.npz)</source>
            <translation>NumPy (*.npz)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/collection_actions.py" />
            <source>Export texts and vectors</source>
            <translation>Exporter les textes et les vecteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/desktop.py" />
            <source>This desktop shows no tray icons</source>
            <translation>Ce bureau n’affiche pas d’icônes de notification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/desktop.py" />
            <source>The app runs in this window instead. Closing it quits the app and stops the server.</source>
            <translation>L’app s’exécute donc dans cette fenêtre. La fermer quitte l’app et arrête le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>About PowerInfer Tray</source>
            <translation>À propos de PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>PowerInfer Tray {version}</source>
            <translation>PowerInfer Tray {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Downloads language models, runs them on this computer, and makes them available to OpenAI clients.</source>
            <translation>Télécharge des modèles de langage, les exécute sur cet ordinateur et les met à disposition des clients OpenAI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Nothing is sent from this computer except the downloads, searches and checks you ask for.</source>
            <translation>Rien n’est envoyé depuis cet ordinateur, sauf les téléchargements, recherches et vérifications que vous demandez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>License: MIT</source>
            <translation>Licence : MIT</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Qt is used under the GNU LGPL version 3: you may replace it with your own build.</source>
            <translation>Qt est utilisé sous GNU LGPL version 3 : vous pouvez le remplacer par votre propre version.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Licenses of all parts: {file}</source>
            <translation>Licences de tous les composants : {file}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>This Conversation</source>
            <translation>Cette conversation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>For example: Answer briefly, and in French.</source>
            <translation>Par exemple : Réponds brièvement, en français.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Set &amp;temperature:</source>
            <translation>Régler la &amp;température :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>OK</source>
            <translation>OK</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Cancel</source>
            <translation>Annuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>&amp;System prompt:</source>
            <translation>Invite &amp;système :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>What the model is told before every answer in this conversation.</source>
            <translation>Ce qui est dit au modèle avant chaque réponse dans cette conversation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/chat_options.py" />
            <source>Lower values give more predictable answers. Otherwise the setting of the model applies.</source>
            <translation>Plus la valeur est basse, plus les réponses sont prévisibles. Sinon, le réglage du modèle s’applique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Delete the unfinished download of {name}?</source>
            <translation>Supprimer le téléchargement inachevé de {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The next download would start from the beginning.</source>
            <translation>Le prochain téléchargement recommencerait depuis le début.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Delete</source>
            <translation>&amp;Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move {name} to the trash?</source>
            <translation>Mettre {name} à la corbeille ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>{size}, with all files that belong to it.</source>
            <translation>{size}, avec tous les fichiers associés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move to &amp;Trash</source>
            <translation>Mettre à la co&amp;rbeille</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The server is using it and will be stopped first.</source>
            <translation>Le serveur l’utilise et sera d’abord arrêté.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {count} models?</source>
            <translation>
                <numerusform>Supprimer {count} modèle ?</numerusform>
                <numerusform>Supprimer {count} modèles ?</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The files are moved to the trash.</source>
            <translation>Les fichiers sont mis à la corbeille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Remove</source>
            <translation>&amp;Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel the download of {name}?</source>
            <translation>Annuler le téléchargement de {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Keep what has been downloaded to continue later, or delete it.</source>
            <translation>Conservez ce qui est téléchargé pour continuer plus tard, ou supprimez-le.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Keep</source>
            <translation>Annuler et &amp;conserver</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Delete</source>
            <translation>Annuler et &amp;supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>C&amp;ontinue Download</source>
            <translation>C&amp;ontinuer le téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>“{title}”</source>
            <translation>« {title} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move this conversation to the trash?</source>
            <translation>Mettre cette conversation à la corbeille ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {name}?</source>
            <translation>Supprimer {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Add {name} as an engine?</source>
            <translation>Ajouter {name} comme moteur ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>An engine is a program with the same rights as you. Add it only if you know where it comes from. It is copied, and tested before it is used.</source>
            <translation>Un moteur est un programme qui a les mêmes droits que vous. Ne l’ajoutez que si vous connaissez sa provenance. Il est copié, puis testé avant usage.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Add</source>
            <translation>A&amp;jouter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Cancel</source>
            <translation>&amp;Annuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Delete {name}?</source>
            <translation>Supprimer {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The files that the texts came from stay as they are.</source>
            <translation>Les fichiers d’où viennent les textes restent tels quels.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Keep</source>
            <translation>&amp;Conserver</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>PowerInfer Tray</source>
            <translation>PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Warning</source>
            <translation>Avertissement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Download a model</source>
            <translation>Télécharger un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Reading the model's details …</source>
            <translation>Lecture des détails du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>&amp;Download</source>
            <translation>&amp;Télécharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>The details could not be read. You can still download the model.</source>
            <translation>Les détails n’ont pas pu être lus. Vous pouvez tout de même télécharger le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>Import models</source>
            <translation>Importer des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Copy: the original file stays where it is</source>
            <translation>&amp;Copier : le fichier d’origine reste à sa place</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Move: the file is then only in the models folder</source>
            <translation>&amp;Déplacer : le fichier n’est plus que dans le dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Link: use the file where it is, without taking space</source>
            <translation>&amp;Lier : utiliser le fichier là où il est, sans occuper d’espace</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Import</source>
            <translation>&amp;Importer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>To {folder}</source>
            <translation>Vers {folder}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>The other files of a split model are included.</source>
            <translation>Les autres fichiers d’un modèle en plusieurs parties sont inclus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/model_information.py" />
            <source>Information</source>
            <translation>Information</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Copy &amp;Link</source>
            <translation>Copier le &amp;lien</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Open this link?</source>
            <translation>Ouvrir ce lien ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>&amp;Open Link</source>
            <translation>&amp;Ouvrir le lien</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>Only links to web pages and e-mail addresses can be opened.</source>
            <translation>Seuls les liens vers des pages web et des adresses e-mail peuvent être ouverts.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/open_link.py" />
            <source>This link cannot be opened here</source>
            <translation>Ce lien ne peut pas être ouvert ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Paste text</source>
            <translation>Coller du texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Texts, one on each line</source>
            <translation>Textes, un par ligne</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>&amp;Texts, one on each line:</source>
            <translation>&amp;Textes, un par ligne :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/paste_texts.py" />
            <source>Ca&amp;ncel</source>
            <translation>A&amp;nnuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Quantize a model</source>
            <translation>Quantifier un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Looking for types …</source>
            <translation>Recherche des types…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Quantize</source>
            <translation>&amp;Quantifier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Type:</source>
            <translation>&amp;Type :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;New file:</source>
            <translation>&amp;Nouveau fichier :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Disk space:</source>
            <translation>Espace disque :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Settings</source>
            <translation>Paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>What you change here applies to this model only. Everything without a mark is the same as for all models.</source>
            <translation>Ce que vous modifiez ici ne concerne que ce modèle. Ce qui n’est pas marqué est comme pour tous les modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>Terms of {owner}</source>
            <translation>Conditions de {owner}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Accept and Install</source>
            <translation>&amp;Accepter et installer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Read the Terms</source>
            <translation>&amp;Lire les conditions</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>Part of this engine comes from {owner} and has its own terms. Install it only if you have read and accept them.</source>
            <translation>Une partie de ce moteur provient de {owner}, avec ses propres conditions. Ne l’installez que si vous les avez lues et acceptées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Best engine and number of threads</source>
            <translation>Meilleur moteur et nombre de threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>The server restarts on each engine and with different numbers of threads, and is measured each time. Other apps have to wait. Close programs that keep the processor busy.</source>
            <translation>Le serveur redémarre avec chaque moteur et différents nombres de threads, et il est mesuré à chaque fois. Les autres applications doivent attendre. Fermez les programmes qui occupent le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Engines and numbers of threads measured</source>
            <translation>Moteurs et nombres de threads mesurés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Measure</source>
            <translation>&amp;Mesurer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Use These</source>
            <translation>&amp;Utiliser ces valeurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Close</source>
            <translation>&amp;Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Stopping…</source>
            <translation>Arrêt…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Stop</source>
            <translation>&amp;Arrêter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Embeddings/s</source>
            <translation>Embeddings/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Tokens/s</source>
            <translation>Tokens/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Speed by number of threads</source>
            <translation>Vitesse selon le nombre de threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>What Is New</source>
            <translation>Nouveautés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>There is no description of this version.</source>
            <translation>Il n’y a pas de description de cette version.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>&amp;Open Page</source>
            <translation>&amp;Ouvrir la page</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/what_is_new.py" />
            <source>Version {version}</source>
            <translation>Version {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/file_jobs.py" />
            <source>Called off</source>
            <translation>Annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Importing</source>
            <translation>Importation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Checking</source>
            <translation>Vérification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Every byte is as it was downloaded.</source>
            <translation>Chaque octet est tel qu’il a été téléchargé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Header and size are right. What each byte should be is not known for this file.</source>
            <translation>L’en-tête et la taille sont corrects. Le contenu attendu de chaque octet n’est pas connu pour ce fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>{name} is in order</source>
            <translation>{name} est en ordre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Quantizing</source>
            <translation>Quantification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Delete &amp;Permanently</source>
            <translation>Supprimer définiti&amp;vement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>Copy &amp;Path</source>
            <translation>Copier le c&amp;hemin</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>The system has no program for it. Copy it and open it yourself.</source>
            <translation>Le système n’a pas de programme pour cela. Copiez-le et ouvrez-le vous-même.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/open_outside.py" />
            <source>This could not be opened</source>
            <translation>Impossible d’ouvrir ceci</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/chat.py" />
            <source>Chat</source>
            <translation>Chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/chat.py" />
            <source>Completion</source>
            <translation>Complétion</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>&amp;Embed</source>
            <translation>&amp;Calculer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Ctrl+Enter</source>
            <translation>Ctrl+Entrée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Esc</source>
            <translation>Échap</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>How alike are your texts?</source>
            <translation>Vos textes se ressemblent-ils ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Embed two or more to see how near they are to each other in meaning.</source>
            <translation>Calculez l’embedding d’au moins deux textes pour voir à quel point leur sens est proche.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>&amp;Texts, one on each line; or drop a file here:</source>
            <translation>&amp;Textes, un par ligne ; ou déposez un fichier ici :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Embedding …</source>
            <translation>Calcul en cours…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/compare.py" />
            <source>Type a text first.</source>
            <translation>Saisissez d’abord un texte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Complete</source>
            <translation>&amp;Compléter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>St&amp;op</source>
            <translation>A&amp;rrêter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Text:</source>
            <translation>&amp;Texte :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>To&amp;kens at most:</source>
            <translation>To&amp;kens au maximum :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ans&amp;wer:</source>
            <translation>Répon&amp;se :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Temperature {value}</source>
            <translation>Température {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Show conversations</source>
            <translation>Afficher les conversations</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>More for this conversation</source>
            <translation>Autres actions pour cette conversation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Markdown ({pattern})</source>
            <translation>Markdown ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>JSON ({pattern})</source>
            <translation>JSON ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>JSON lines ({pattern})</source>
            <translation>JSON Lines ({pattern})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Export</source>
            <translation>Exporter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/conversations.py" />
            <source>Delete Permanently</source>
            <translation>Supprimer définitivement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Search Hugging Face, or paste an address</source>
            <translation>Chercher sur Hugging Face, ou coller une adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Order of the results</source>
            <translation>Ordre des résultats</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>&amp;Back</source>
            <translation>Re&amp;tour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models</source>
            <translation>Modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show &amp;More</source>
            <translation>Afficher p&amp;lus</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models that do not run here</source>
            <translation>Modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Results for “{words}”</source>
            <translation>Résultats pour « {words} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Nothing was found. Try fewer words.</source>
            <translation>Rien n’a été trouvé. Essayez avec moins de mots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Tested and described</source>
            <translation>Testés et décrits</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models of the catalog. Hugging Face has many more: search for a name.</source>
            <translation>Modèles du catalogue. Hugging Face en a beaucoup d’autres : cherchez un nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Searching …</source>
            <translation>Recherche…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Hide models that do not run here</source>
            <translation>Masquer les modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show models that do not run here</source>
            <translation>Afficher les modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Try Again</source>
            <translation>Réessayer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Search</source>
            <translation>Recherche</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Compare</source>
            <translation>Comparer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embeddings.py" />
            <source>Measure</source>
            <translation>Mesurer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>On this computer</source>
            <translation>Sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>&amp;Add an Engine</source>
            <translation>&amp;Ajouter un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Other engines</source>
            <translation>Autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a &amp;File…</source>
            <translation>Depuis un &amp;fichier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a F&amp;older…</source>
            <translation>Depuis un &amp;dossier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Loading the list of engines …</source>
            <translation>Chargement de la liste des moteurs…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Hide Other Engines</source>
            <translation>Masquer les autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Show Other Engines</source>
            <translation>Afficher les autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Add an engine</source>
            <translation>Ajouter un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Use &amp;All in Place</source>
            <translation>Tout utiliser sur pl&amp;ace</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>&amp;Discover Models</source>
            <translation>&amp;Découvrir des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>No other app has a model that is not listed already</source>
            <translation>Aucune autre application n’a de modèle qui ne soit pas déjà dans la liste</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These were looked through: LM Studio, Ollama, Jan, GPT4All, llama.cpp, Hugging Face's cache.</source>
            <translation>Ont été examinés : LM Studio, Ollama, Jan, GPT4All, llama.cpp et le cache de Hugging Face.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Models of other apps</source>
            <translation>Modèles d’autres applications</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Looking through the folders of other apps …</source>
            <translation>Examen des dossiers d’autres applications …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These models belong to other apps and are used from where they are: nothing is copied or changed. When the other app removes one, it is gone from here, too.</source>
            <translation>Ces modèles appartiennent à d’autres applications et sont utilisés là où ils sont : rien n’est copié ni modifié. Si l’autre application en supprime un, il disparaît aussi d’ici.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>{count} models added</source>
            <translation>
                <numerusform>{count} modèle ajouté</numerusform>
                <numerusform>{count} modèles ajoutés</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Home</source>
            <translation>Accueil</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Close</source>
            <translation>Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>The model is in order</source>
            <translation>Le modèle est en ordre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>Verifying the model …</source>
            <translation>Vérification du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/home.py" />
            <source>{percent} %</source>
            <translation>{percent} %</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Enter does what the button says; the menu key opens a menu.</source>
            <translation>Entrée fait ce qu’indique le bouton ; la touche Menu ouvre un menu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Filter models</source>
            <translation>Filtrer les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>So&amp;rt</source>
            <translation>T&amp;rier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Loo&amp;k for Newer Files</source>
            <translation>Fichiers plus réce&amp;nts ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>&amp;Import…</source>
            <translation>&amp;Importer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>The models folder is not there</source>
            <translation>Le dossier des modèles n’est pas là</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>{folder} cannot be found. Connect its drive, or choose another folder in the settings.</source>
            <translation>{folder} est introuvable. Connectez son lecteur, ou choisissez un autre dossier dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Models (*.gguf)</source>
            <translation>Modèles (*.gguf)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>All files (*)</source>
            <translation>Tous les fichiers (*)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Filter</source>
            <translation>Filtrer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Follow new lines</source>
            <translation>&amp;Suivre les nouvelles lignes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Keep the newest line in view.</source>
            <translation>Garder la dernière ligne visible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Copy</source>
            <translation>C&amp;opier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copies the selected lines, or all lines shown.</source>
            <translation>Copie les lignes sélectionnées, ou toutes les lignes affichées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Open Fo&amp;lder</source>
            <translation>Ouvrir le &amp;dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copy &amp;Diagnostics</source>
            <translation>Copier le diagnos&amp;tic</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Versions, hardware, command line and recent log lines, without secrets or your home folder.</source>
            <translation>Versions, matériel, ligne de commande et dernières lignes du journal, sans secrets ni dossier personnel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Log lines</source>
            <translation>Lignes du journal</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>From</source>
            <translation>Origine</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>App and engine</source>
            <translation>Application et moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Level</source>
            <translation>Niveau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>All levels</source>
            <translation>Tous les niveaux</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warnings and errors</source>
            <translation>Avertissements et erreurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Errors</source>
            <translation>Erreurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Nothing matches the filter</source>
            <translation>Rien ne correspond au filtre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Choose other words, another source or another level.</source>
            <translation>Changez les mots, la source ou le niveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Nothing yet</source>
            <translation>Rien pour le moment</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>What the app and the engines say appears here.</source>
            <translation>Les messages de l’app et des moteurs apparaissent ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Diagnostics copied</source>
            <translation>Diagnostics copiés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Paste them into your report. Secrets and the name of your home folder have been removed.</source>
            <translation>Collez-les dans votre rapport. Les secrets et le nom de votre dossier personnel ont été retirés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Best Number of Threads…</source>
            <translation>Meilleur nom&amp;bre de threads…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Answered requests</source>
            <translation>Requêtes répondues</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Save &amp;Picture…</source>
            <translation>Enregistrer l'&amp;image…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>At the same t&amp;ime:</source>
            <translation>&amp;Simultanées :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Requests:</source>
            <translation>&amp;Requêtes :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>How fast is your server?</source>
            <translation>Quelle est la vitesse de votre serveur ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Many requests, some at the same time, show how long one takes and how many are answered.</source>
            <translation>De nombreuses requêtes, dont certaines simultanées, montrent la durée de chacune et le débit total.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>{done} of {total} requests</source>
            <translation>{done} requêtes sur {total}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Installed</source>
            <translation>Installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Discover</source>
            <translation>Découvrir</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Found on this computer</source>
            <translation>Trouvés sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Disk space</source>
            <translation>Espace disque</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/search.py" />
            <source>Embedded texts</source>
            <translation>Textes traités</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/search.py" />
            <source>&amp;Try Again</source>
            <translation>&amp;Réessayer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Measuring …</source>
            <translation>Mesure…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Share of the disk that models take</source>
            <translation>Part du disque occupée par les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>What models take</source>
            <translation>Place prise par les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Choose Those &amp;Unused for Months</source>
            <translation>Choisir ceux inutilisés depuis des m&amp;ois</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>&amp;Remove…</source>
            <translation>&amp;Supprimer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>No model takes space yet</source>
            <translation>Aucun modèle n’occupe encore de place</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Models that you download or import are listed here with their sizes.</source>
            <translation>Les modèles que vous téléchargez ou importez apparaissent ici avec leur taille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>The answer ends early</source>
            <translation>La réponse s’arrête trop tôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>The context is full. Set a larger context size, or start a new conversation.</source>
            <translation>Le contexte est plein. Choisissez une plus grande taille de contexte, ou commencez une nouvelle conversation.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>Stopped</source>
            <translation>Arrêté</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/talk.py" />
            <source>Choose a model that can, such as one with “VL” or “Vision” in its name.</source>
            <translation>Choisissez un modèle qui en est capable, par exemple avec « VL » ou « Vision » dans son nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Pictures ({patterns})</source>
            <translation>Images ({patterns})</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Add Pictures</source>
            <translation>Ajouter des images</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/picture_sources.py" />
            <source>Pasted picture</source>
            <translation>Image collée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Install</source>
            <translation>Installer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Update</source>
            <translation>Mettre à jour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not Now</source>
            <translation>Plus tard</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Pause</source>
            <translation>Suspendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Resume</source>
            <translation>Reprendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Test Again</source>
            <translation>Tester à nouveau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Show in Folder</source>
            <translation>Afficher dans le dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Remove…</source>
            <translation>Supprimer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{action}: {engine}</source>
            <translation>{action} : {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{file}: {size}, license: {terms}</source>
            <translation>{file} : {size}, licence : {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>This frees {size} of disk space.</source>
            <translation>Cela libère {size} sur le disque.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Changed</source>
            <translation>Modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Its files have changed since it was installed, so the app does not run it. Install it again.</source>
            <translation>Ses fichiers ont changé depuis l’installation : l’app ne le lance donc pas. Installez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used</source>
            <translation>Non utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Does not work here</source>
            <translation>Ne fonctionne pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>In use by {models}</source>
            <translation>Utilisé par {models}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Ready</source>
            <translation>Prêt</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>no graphics card found</source>
            <translation>aucune carte graphique trouvée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>processor</source>
            <translation>processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>tested with {kinds}</source>
            <translation>testé avec {kinds}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{factor} times as fast as the built-in engine</source>
            <translation>{factor} fois plus rapide que le moteur intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for {kind}: {reason}</source>
            <translation>Pas utilisé pour {kind} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>unknown cause</source>
            <translation>cause inconnue</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for {model}: {reason}</source>
            <translation>Pas utilisé pour {model} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>from {place}</source>
            <translation>de {place}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Damaged</source>
            <translation>Endommagé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Apple silicon graphics</source>
            <translation>puce graphique Apple</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>comes with the app</source>
            <translation>fourni avec l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>found on this computer</source>
            <translation>trouvé sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Remote server</source>
            <translation>Serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>No chat model</source>
            <translation>Aucun modèle de chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Loading {model} …</source>
            <translation>Chargement de {model}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Loading the model …</source>
            <translation>Chargement du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Starting the server …</source>
            <translation>Démarrage du serveur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Reading … {seconds} s</source>
            <translation>Lecture… {seconds} s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Reading …</source>
            <translation>Lecture…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Just now</source>
            <translation>À l’instant</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Today, {time}</source>
            <translation>Aujourd’hui, {time}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat.py" />
            <source>Yesterday, {time}</source>
            <translation>Hier, {time}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>{rate} tokens/s</source>
            <translation>{rate} tokens/s</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>{count} tokens</source>
            <translation>
                <numerusform>{count} token</numerusform>
                <numerusform>{count} tokens</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>Thinking …</source>
            <translation>Réflexion…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/chat_rows.py" />
            <source>Thoughts</source>
            <translation>Réflexions</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Kind:</source>
            <translation>Type :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Context size:</source>
            <translation>Taille du contexte :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Size:</source>
            <translation>Taille :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>This computer:</source>
            <translation>Cet ordinateur :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/downloads.py" />
            <source>File {number} of {count}: {text}</source>
            <translation>Fichier {number} sur {count} : {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is asleep. Start it first.</source>
            <translation>Le serveur est en veille. Démarrez-le d’abord.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The model is being loaded …</source>
            <translation>Chargement du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is being restarted …</source>
            <translation>Redémarrage du serveur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server waits until the model is there again.</source>
            <translation>Le serveur attend que le modèle soit de nouveau là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server must run first.</source>
            <translation>Le serveur doit d’abord fonctionner.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} texts</source>
            <translation>
                <numerusform>{count} texte</numerusform>
                <numerusform>{count} textes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} dimensions</source>
            <translation>
                <numerusform>{count} dimension</numerusform>
                <numerusform>{count} dimensions</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{ms} ms per text</source>
            <translation>{ms} ms par texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>, </source>
            <translation> ; </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>A newer engine is available</source>
            <translation>Un moteur plus récent est disponible</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Use your graphics card</source>
            <translation>Utiliser votre carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>A faster engine for this processor</source>
            <translation>Un moteur plus rapide pour ce processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Installing {engine}</source>
            <translation>Installation de {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing {engine}</source>
            <translation>Test de {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Paused at {amount}</source>
            <translation>En pause à {amount}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Unpacking …</source>
            <translation>Décompression…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing its answers with {kind} …</source>
            <translation>Test de ses réponses en {kind}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Testing its answers on this computer …</source>
            <translation>Test de ses réponses sur cet ordinateur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Another engine is used until you choose Try Again.</source>
            <translation>Un autre moteur est utilisé jusqu’à ce que vous choisissiez Réessayer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Another engine is used instead. See Engines for details.</source>
            <translation>Un autre moteur est utilisé à la place. Détails dans Moteurs.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>{engine} could not be installed</source>
            <translation>{engine} n’a pas pu être installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>{engine} failed its test</source>
            <translation>{engine} a échoué au test</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Waiting: {cause}</source>
            <translation>En attente : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_cards.py" />
            <source>Downloading</source>
            <translation>Téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>Automatic</source>
            <translation>Automatique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>llama.cpp (comes with the app)</source>
            <translation>llama.cpp (fourni avec l’application)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Up for {duration}</source>
            <translation>En service depuis {duration}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{count} requests</source>
            <translation>
                <numerusform>{count} requête</numerusform>
                <numerusform>{count} requêtes</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>the model</source>
            <translation>le modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Memory of all models</source>
            <translation>Mémoire de tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Graphics memory</source>
            <translation>Mémoire graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loaded</source>
            <translation>Chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being loaded</source>
            <translation>En cours de chargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>This is more than they may take together.</source>
            <translation>C’est plus qu’ils ne peuvent occuper ensemble.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>process {pid}</source>
            <translation>processus {pid}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Restarting: {cause}</source>
            <translation>Redémarrage : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loading … {seconds} s</source>
            <translation>Chargement… {seconds} s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Waiting for memory …</source>
            <translation>En attente de mémoire…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being unloaded …</source>
            <translation>Déchargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Failed: {cause}</source>
            <translation>Échec : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Preparing the start …</source>
            <translation>Préparation du démarrage…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Asleep: a request starts it</source>
            <translation>En veille : une requête le démarre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Not loaded</source>
            <translation>Non chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>≈ {size}</source>
            <translation>≈ {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{size} on the card</source>
            <translation>{size} sur la carte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} requests/s</source>
            <translation>{number} requêtes/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} tokens/s</source>
            <translation>{number} tokens/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>idle</source>
            <translation>inactif</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Choose the model to start with</source>
            <translation>Choisissez le modèle à démarrer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Choose your first model</source>
            <translation>Choisissez votre premier modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>You can load others beside it at any time.</source>
            <translation>Vous pourrez en charger d’autres à côté à tout moment.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>These run well on this computer. You can have others at any time.</source>
            <translation>Ceux-ci fonctionnent bien sur cet ordinateur. Vous pourrez en prendre d’autres à tout moment.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>No model in the catalog suits this computer. Look for another one.</source>
            <translation>Aucun modèle du catalogue ne convient à cet ordinateur. D’autres peut-être : cherchez-en un.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Add a second model</source>
            <translation>Ajoutez un second modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Both can be loaded at the same time, and share one address.</source>
            <translation>Les deux peuvent être chargés en même temps et partagent une adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Do&amp;wnload {size}</source>
            <translation>&amp;Télécharger {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Download {size}</source>
            <translation>Télé&amp;charger {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>To check the installation</source>
            <translation>Pour vérifier l’installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>It needs next to no memory.</source>
            <translation>Il n’a presque pas besoin de mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Try It Now</source>
            <translation>Ess&amp;ayer maintenant</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>&amp;Use This Model</source>
            <translation>Util&amp;iser ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>U&amp;se This Model</source>
            <translation>Utili&amp;ser ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>Use This &amp;Model</source>
            <translation>Utiliser &amp;ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>sees pictures</source>
            <translation>voit les images</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/first_steps.py" />
            <source>{duration} to download</source>
            <translation>{duration} de téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose a &amp;Free Port</source>
            <translation>Choisir un port &amp;libre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Check the &amp;Files</source>
            <translation>&amp;Vérifier les fichiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Open the Setting…</source>
            <translation>Ouvrir le ré&amp;glage…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose Another &amp;Engine…</source>
            <translation>Choisir un autre mot&amp;eur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Tr&amp;y Again</source>
            <translation>Réessa&amp;yer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>The file is exactly what was downloaded, so it is not the cause.</source>
            <translation>Le fichier est exactement celui qui a été téléchargé : il n’est donc pas en cause.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>The header and size are correct. The weights cannot be checked because there is no SHA-256 for them.</source>
            <translation>L’en-tête et la taille sont corrects. Les poids ne peuvent pas être vérifiés : il n’y a pas de SHA-256.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} B</source>
            <translation>{size} o</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} kB</source>
            <translation>{size} ko</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} MB</source>
            <translation>{size} Mo</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} GB</source>
            <translation>{size} Go</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} TB</source>
            <translation>{size} To</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size}/s</source>
            <translation>{size}/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free: {missing} short</source>
            <translation>{needed} nécessaires, {free} libres : il manque {missing}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free</source>
            <translation>{needed} nécessaires, {free} libres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{seconds} s left</source>
            <translation>reste {seconds} s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{minutes} min left</source>
            <translation>reste {minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{hours} h {minutes} min left</source>
            <translation>reste {hours} h {minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>less than a minute</source>
            <translation>moins d’une minute</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{minutes} min</source>
            <translation>{minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{hours} h {minutes} min</source>
            <translation>{hours} h {minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{days} d {hours} h</source>
            <translation>{days} j {hours} h</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Waiting</source>
            <translation>En attente</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Connecting …</source>
            <translation>Connexion…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Checking …</source>
            <translation>Vérification…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Canceled at {amount}</source>
            <translation>Annulé à {amount}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Downloaded</source>
            <translation>Téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{title}.</source>
            <translation>{title}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Most downloads</source>
            <translation>Plus téléchargés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Most likes</source>
            <translation>Plus appréciés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Trending</source>
            <translation>Tendances</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Recently updated</source>
            <translation>Mis à jour récemment</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>There is no GGUF model in this repository.</source>
            <translation>Ce dépôt ne contient aucun modèle GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Whether they fit is not known.</source>
            <translation>On ne sait pas s’ils conviennent.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>None of them fits in this computer's memory. Look for a smaller model.</source>
            <translation>Aucun d’eux ne tient dans la mémoire de cet ordinateur. Cherchez un modèle plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>The repository has more files than are shown.</source>
            <translation>Le dépôt a plus de fichiers que ceux affichés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Hide files that are too large</source>
            <translation>Masquer les fichiers trop gros</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} files are too large for this computer</source>
            <translation>
                <numerusform>{count} fichier est trop gros pour cet ordinateur</numerusform>
                <numerusform>{count} fichiers sont trop gros pour cet ordinateur</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Vision</source>
            <translation>Vision</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>Sign-in needed</source>
            <translation>Connexion requise</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} files</source>
            <translation>
                <numerusform>{count} fichier</numerusform>
                <numerusform>{count} fichiers</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>With this file beside it, the model sees pictures.</source>
            <translation>Avec ce fichier à côté de lui, le modèle voit les images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} M downloads</source>
            <translation>{number} M de téléchargements</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{count} downloads</source>
            <translation>
                <numerusform>{count} téléchargement</numerusform>
                <numerusform>{count} téléchargements</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} B parameters</source>
            <translation>{number} Md de paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/hub.py" />
            <source>{number} M parameters</source>
            <translation>{number} M de paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Asking the keychain …</source>
            <translation>Consultation du trousseau …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in the system's keychain</source>
            <translation>Dans le trousseau du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in a file</source>
            <translation>Dans un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Set in the environment</source>
            <translation>Dans l’environnement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>None</source>
            <translation>Rien d’enregistré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Will be removed</source>
            <translation>Sera supprimé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Copy it now: once applied, it is not shown again.</source>
            <translation>Copiez-la maintenant : une fois appliquée, elle n’est plus affichée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The environment variable {name} gives this key, and is used before any other.</source>
            <translation>La variable d’environnement {name} fournit cette clé, et a priorité sur toute autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Clients need the new key.</source>
            <translation>Les clients ont besoin de la nouvelle clé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one.</source>
            <translation>Le réseau local en exige une.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one: type it, or press Generate.</source>
            <translation>Le réseau local en exige une : saisissez-la, ou appuyez sur Générer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>App</source>
            <translation>Application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>Error</source>
            <translation>Erreur</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{count} lines</source>
            <translation>
                <numerusform>{count} ligne</numerusform>
                <numerusform>{count} lignes</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{shown} of {known} lines</source>
            <translation>{shown} lignes sur {known}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>No request was answered.</source>
            <translation>Aucune requête n’a reçu de réponse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p50 {ms} ms</source>
            <translation>p50 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p95 {ms} ms</source>
            <translation>p95 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{rate} embeddings per second</source>
            <translation>{rate} embeddings par seconde</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>{need} of {usable} that can be used</source>
            <translation>{need} sur {usable} utilisables</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Weights</source>
            <translation>Poids</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Context</source>
            <translation>Contexte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Overhead</source>
            <translation>Surcoût</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Memory</source>
            <translation>Mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>The graphics card has less than this budget.</source>
            <translation>La carte graphique a moins que ce budget.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This fits, but leaves little for other programs.</source>
            <translation>Cela tient, mais laisse peu de place aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit; a context size of {size} would.</source>
            <translation>Cela ne tient pas ; une taille de contexte de {size} conviendrait.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit, whatever the context size; choose a smaller model.</source>
            <translation>Cela ne tient pas, quelle que soit la taille du contexte ; choisissez un modèle plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>what is free of {total}</source>
            <translation>ce qui est libre sur {total}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Budget</source>
            <translation>Budget</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Pause Download</source>
            <translation>Mettre le téléchargement en pa&amp;use</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Resume &amp;Download</source>
            <translation>Reprendre le &amp;téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Copy {address}</source>
            <translation>&amp;Copier {address}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Open C&amp;hat</source>
            <translation>Ouvrir le c&amp;hat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Open &amp;Embeddings</source>
            <translation>Ouvrir les em&amp;beddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Open Window</source>
            <translation>Ouvrir la &amp;fenêtre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Start Server</source>
            <translation>&amp;Démarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>S&amp;top Server</source>
            <translation>A&amp;rrêter le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Restart Server</source>
            <translation>R&amp;edémarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;More Models…</source>
            <translation>&amp;Plus de modèles…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Version {version} is available…</source>
            <translation>La &amp;version {version} est disponible…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Sett&amp;ings…</source>
            <translation>Paramètre&amp;s…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;About</source>
            <translation>À &amp;propos</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Quit</source>
            <translation>&amp;Quitter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Repair &amp;Launch at Login</source>
            <translation>Réparer &amp;le lancement à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Launch at Login</source>
            <translation>&amp;Lancer à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Models</source>
            <translation>&amp;Modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Address</source>
            <translation>&amp;Adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;curl</source>
            <translation>Exemple pour &amp;curl</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;Python</source>
            <translation>Exemple pour &amp;Python</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;JavaScript</source>
            <translation>Exemple pour &amp;JavaScript</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;4D</source>
            <translation>Exemple pour &amp;4D</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>chosen</source>
            <translation>choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>loading …</source>
            <translation>chargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>{name} — {notes}</source>
            <translation>{name} — {notes}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Unload this model</source>
            <translation>Décharger ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model</source>
            <translation>Choisir ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Load this model beside the others</source>
            <translation>Charger ce modèle avec les autres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model and start the server</source>
            <translation>Choisir ce modèle et démarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is running already.</source>
            <translation>Le serveur fonctionne déjà.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is starting already.</source>
            <translation>Le serveur démarre déjà.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server starts by itself when the model is there again.</source>
            <translation>Le serveur démarrera de lui-même quand le modèle sera de nouveau là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose a model first.</source>
            <translation>Choisissez d’abord un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Name</source>
            <translation>Nom</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Size, largest first</source>
            <translation>Taille, les plus gros d’abord</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>State, loaded first</source>
            <translation>État, chargés d’abord</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Make &amp;Default</source>
            <translation>Utiliser par &amp;défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Load</source>
            <translation>&amp;Charger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>U&amp;nload</source>
            <translation>Déchar&amp;ger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Download…</source>
            <translation>&amp;Télécharger…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Pause</source>
            <translation>Pau&amp;se</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Resume</source>
            <translation>&amp;Reprendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Check &amp;Files</source>
            <translation>Vérifier les &amp;fichiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Quantize…</source>
            <translation>&amp;Quantifier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Show in Folder</source>
            <translation>Afficher dans le d&amp;ossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Remo&amp;ve…</source>
            <translation>Suppri&amp;mer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Settings of This &amp;Model…</source>
            <translation>Para&amp;mètres de ce modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>&amp;Information…</source>
            <translation>&amp;Informations…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Embedding</source>
            <translation>Embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Reranking</source>
            <translation>Reclassement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>State:</source>
            <translation>État :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Default</source>
            <translation>Par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Quantization:</source>
            <translation>Quantification :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>{number} tokens</source>
            <translation>{number} tokens</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>ID:</source>
            <translation>ID :</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>{count} models</source>
            <translation>
                <numerusform>{count} modèle</numerusform>
                <numerusform>{count} modèles</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>Sparse</source>
            <translation>Creux</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/model_list.py" />
            <source>context {number}</source>
            <translation>contexte {number}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Its publisher wants you to sign in and accept terms first.</source>
            <translation>Son éditeur demande de se connecter et d’accepter d’abord ses conditions.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Regular</source>
            <translation>Ordinaire</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Used from {app}, where it is: {path}</source>
            <translation>Utilisé depuis {app}, là où il se trouve : {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>A sparse model runs on PowerInfer alone.</source>
            <translation>Un modèle creux ne fonctionne qu’avec PowerInfer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Another file is at its source now: {source}. To have it, remove this one and download it again.</source>
            <translation>Un autre fichier se trouve maintenant à sa source : {source}. Pour l’avoir, supprimez celui-ci et téléchargez-le à nouveau.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{count} models have a newer file</source>
            <translation>
                <numerusform>{count} modèle a un fichier plus récent</numerusform>
                <numerusform>{count} modèles ont un fichier plus récent</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>No model has a newer file</source>
            <translation>Aucun modèle n’a de fichier plus récent</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>To have one, remove the model and download it again. Nothing is replaced by itself.</source>
            <translation>Pour l’avoir, supprimez le modèle et téléchargez-le à nouveau. Rien n’est remplacé automatiquement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not known of: {names}.</source>
            <translation>Inconnu pour : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Loading …</source>
            <translation>Chargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>License: {license}.</source>
            <translation>Licence : {license}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not downloaded</source>
            <translation>Non téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{size} have arrived.</source>
            <translation>{size} sont arrivés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Being copied …</source>
            <translation>Copie en cours…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>It can be used as soon as all of it is here.</source>
            <translation>Il sera utilisable dès qu’il sera là en entier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Cannot be used</source>
            <translation>Inutilisable</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Left by a download</source>
            <translation>Reste d’un téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Nothing tells where it came from: download it again, or remove it to free the space.</source>
            <translation>Rien n’indique d’où il vient : téléchargez-le à nouveau, ou supprimez-le pour libérer l’espace.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{verb} {percent} %</source>
            <translation>{verb} {percent} %</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>See the log for details.</source>
            <translation>Consultez le journal pour les détails.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The server crashed and was restarted</source>
            <translation>Le serveur a planté et a été redémarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Open Home to see what is new.</source>
            <translation>Ouvrez l’accueil pour voir les nouveautés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Its requests are refused until you decide. Open Home to answer.</source>
            <translation>Ses requêtes sont refusées jusqu’à votre décision. Ouvrez Accueil pour répondre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Version {version} is available</source>
            <translation>La version {version} est disponible</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download finished</source>
            <translation>Téléchargement terminé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download failed</source>
            <translation>Échec du téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Engine installed</source>
            <translation>Moteur installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>An engine could not be installed</source>
            <translation>Un moteur n’a pas pu être installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For embeddings</source>
            <translation>Pour les embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For chats</source>
            <translation>Pour converser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For ranking texts</source>
            <translation>Pour classer des textes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>more than 20 languages</source>
            <translation>plus de 20 langues</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Languages: {codes}</source>
            <translation>Langues : {codes}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>License: {license}</source>
            <translation>Licence : {license}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Download {size}</source>
            <translation>Télécharger {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Download…</source>
            <translation>Télécharger…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Load</source>
            <translation>Charger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Open Embeddings</source>
            <translation>Ouvrir Embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Open Chat</source>
            <translation>Ouvrir le chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Use in Place</source>
            <translation>Utiliser sur place</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Recommended</source>
            <translation>Recommandé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Already installed</source>
            <translation>Déjà installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Allow: from now on, its pages can send requests to the models on this computer.</source>
            <translation>Autoriser : ses pages pourront désormais envoyer des requêtes aux modèles de cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Refuse: it stays blocked, and you are not asked again.</source>
            <translation>Refuser : elle reste bloquée, et la question ne vous sera plus posée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Pages of this kind have a new name each time, so your answer applies to all of them.</source>
            <translation>Ces pages changent de nom à chaque fois : votre réponse vaut donc pour toutes.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{count} more are waiting for an answer.</source>
            <translation>
                <numerusform>{count} autres attendent une réponse.</numerusform>
                <numerusform>{count} autres attendent une réponse.</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{origin} wants to use the server</source>
            <translation>{origin} souhaite utiliser le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Pasted</source>
            <translation>Collé</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Reading … {count} texts so far</source>
            <translation>
                <numerusform>Lecture… {count} texte jusqu’ici</numerusform>
                <numerusform>Lecture… {count} textes jusqu’ici</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Embedding {done} of {total} texts</source>
            <translation>{done} textes traités sur {total}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} texts added</source>
            <translation>
                <numerusform>{count} texte ajouté</numerusform>
                <numerusform>{count} textes ajoutés</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} were there already</source>
            <translation>
                <numerusform>{count} y était déjà</numerusform>
                <numerusform>{count} y étaient déjà</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} removed</source>
            <translation>
                <numerusform>{count} retiré</numerusform>
                <numerusform>{count} retirés</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} items were skipped</source>
            <translation>
                <numerusform>{count} élément ignoré</numerusform>
                <numerusform>{count} éléments ignorés</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{count} collections cannot be read</source>
            <translation>
                <numerusform>{count} collection est illisible</numerusform>
                <numerusform>{count} collections sont illisibles</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{name}: {reason}</source>
            <translation>{name} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Nothing was found</source>
            <translation>Rien n’a été trouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The nearest text: {text}</source>
            <translation>Le texte le plus proche : {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{model}, which embedded these texts, has been changed or removed. Embed them again to search them; the files are not read again.</source>
            <translation>{model}, qui a traité ces textes, a été modifié ou supprimé. Recalculez-les pour pouvoir y chercher ; les fichiers ne sont pas relus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Similar texts are near each other. The map shows {percent}% of the differences.</source>
            <translation>Les textes semblables sont proches les uns des autres. La carte montre {percent} % des différences.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>{shown} of {total} texts are shown.</source>
            <translation>{shown} textes sur {total} sont affichés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Pasted texts</source>
            <translation>Textes collés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Bread rises because yeast turns sugar into gas.</source>
            <translation>Le pain lève parce que la levure transforme le sucre en gaz.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A sourdough starter has to be fed with flour and water every day.</source>
            <translation>Un levain se nourrit chaque jour de farine et d’eau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Let the cake cool before you cut it.</source>
            <translation>Laissez refroidir le gâteau avant de le couper.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The train to the coast leaves every hour.</source>
            <translation>Le train pour la côte part toutes les heures.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Book the ferry early in the summer months.</source>
            <translation>En été, réservez le ferry à l’avance.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A passport has to be valid for six more months.</source>
            <translation>Le passeport doit être valable encore six mois.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Cats sleep for most of the day.</source>
            <translation>Les chats dorment la plus grande partie de la journée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>A dog needs a long walk every morning.</source>
            <translation>Un chien a besoin d’une longue promenade chaque matin.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>The battery lasts longer if it is never quite full.</source>
            <translation>La batterie dure plus longtemps si elle n’est jamais tout à fait pleine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>Restart the router when the connection is slow.</source>
            <translation>Redémarrez le routeur quand la connexion est lente.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/search.py" />
            <source>What do I need for a holiday abroad?</source>
            <translation>De quoi ai-je besoin pour des vacances à l’étranger ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>General</source>
            <translation>Général</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Models &amp; memory</source>
            <translation>Modèles et mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Answers</source>
            <translation>Réponses</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Engine &amp; speed</source>
            <translation>Moteur et vitesse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Network &amp; access</source>
            <translation>Réseau et accès</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Downloads</source>
            <translation>Téléchargements</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Mean of all tokens (mean)</source>
            <translation>Moyenne de tous les tokens (mean)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>First token (cls)</source>
            <translation>Premier token (cls)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Last token (last)</source>
            <translation>Dernier token (last)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Score instead of a vector (rank)</source>
            <translation>Score au lieu d’un vecteur (rank)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Allowed</source>
            <translation>Autorisés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Not allowed</source>
            <translation>Non autorisés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This computer only</source>
            <translation>Cet ordinateur seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Local network</source>
            <translation>Réseau local</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>System default</source>
            <translation>Langue du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This model only</source>
            <translation>Ce modèle seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>From the catalog</source>
            <translation>Du catalogue</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Same as for all models</source>
            <translation>Comme pour tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>At login, the system starts another copy of this app, or one that is gone. Turn this on to start this one.</source>
            <translation>À l’ouverture de session, le système lance une autre copie de cette application, ou une copie disparue. Activez ceci pour lancer celle-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by {programs}.</source>
            <translation>Utilisé par {programs}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by this server</source>
            <translation>Utilisé par ce serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Free</source>
            <translation>Libre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{size} tokens for this model</source>
            <translation>{size} jetons pour ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server cannot be started with these settings: {cause}</source>
            <translation>Le serveur ne peut pas démarrer avec ces paramètres : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The model will be loaded again.</source>
            <translation>Le modèle sera rechargé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Apps must use port {port}.</source>
            <translation>Les applications devront utiliser le port {port}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{model} will be loaded again.</source>
            <translation>{model} sera rechargé.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{count} changes.</source>
            <translation>
                <numerusform>{count} modification.</numerusform>
                <numerusform>{count} modifications.</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It must be auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as llama.cpp-cuda, or the full path of a program.</source>
            <translation>Il faut auto, powerinfer, llama.cpp, llama-server, remote, un moteur installé comme llama.cpp-cuda, ou le chemin complet d’un programme.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Unfinished download</source>
            <translation>Téléchargement inachevé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models take {total}; {free} are free.</source>
            <translation>Les modèles prennent {total} ; {free} sont libres.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>{count} chosen</source>
            <translation>
                <numerusform>{count} choisi</numerusform>
                <numerusform>{count} choisis</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>What unfinished downloads have left is deleted.</source>
            <translation>Ce que les téléchargements inachevés ont laissé est supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models of other apps stay where they are, and are no longer used from here.</source>
            <translation>Les modèles d’autres applications restent où ils sont et ne sont plus utilisés d’ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Not used since {day}</source>
            <translation>Pas utilisé depuis le {day}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Last used {day}</source>
            <translation>Dernière utilisation : {day}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{state} · {others}</source>
            <translation>{state} · {others}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready: {count} models loaded</source>
            <translation>
                <numerusform>Prêt : {count} modèle chargé</numerusform>
                <numerusform>Prêt : {count} modèles chargés</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready — {model}</source>
            <translation>Prêt — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopping {model} …</source>
            <translation>Arrêt de {model}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{address}, once the server is started</source>
            <translation>{address}, une fois le serveur démarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Downloading {name} — {progress}</source>
            <translation>Téléchargement de {name} — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{name} — {progress}</source>
            <translation>{name} — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Loading {model} … {seconds} s</source>
            <translation>Chargement de {model}… {seconds} s</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{count} other models are ready</source>
            <translation>
                <numerusform>{count} autre modèle est prêt</numerusform>
                <numerusform>{count} autres modèles sont prêts</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped: {cause}</source>
            <translation>Arrêté : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped — {model}</source>
            <translation>Arrêté — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>No model yet — choose one</source>
            <translation>Aucun modèle — choisissez-en un</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: {cause}</source>
            <translation>En veille : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: start it here</source>
            <translation>En veille : démarrez-le ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{state} · {address}</source>
            <translation>{state} · {address}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{question}…</source>
            <translation>{question}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Stopped early. The server runs as before.</source>
            <translation>Arrêté avant la fin. Le serveur fonctionne comme avant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Keep the current settings: nothing else is more than 5 % faster.</source>
            <translation>Gardez les paramètres actuels : rien d’autre n’est plus rapide de plus de 5 %.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads.</source>
            <translation>Le plus rapide sur {engine} avec {writing} threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads.</source>
            <translation>Le plus rapide avec {writing} threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads, and {reading} for prompts.</source>
            <translation>Le plus rapide : {engine} avec {writing} threads, et {reading} pour les prompts.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads, and {reading} for prompts.</source>
            <translation>Le plus rapide : {writing} threads, et {reading} pour les prompts.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: it has crashed; trying again…</source>
            <translation>{engine} : en panne ; nouvel essai…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: measuring…</source>
            <translation>{engine} : mesure…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{done} of {total} measured</source>
            <translation>{done} sur {total} mesurés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: not measured. {reason}</source>
            <translation>{engine} : non mesuré. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} embeddings/s</source>
            <translation>{rate} embeddings/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{times} times as fast as the built-in engine</source>
            <translation>{times} fois la vitesse du moteur intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Free some space and check that this app may write to your downloads folder, then choose Download.</source>
            <translation>Libérez de l'espace et vérifiez que cette application peut écrire dans votre dossier de téléchargements, puis choisissez Télécharger.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>What was downloaded is kept. Choose Download to continue.</source>
            <translation>Ce qui a été téléchargé est conservé. Choisissez Télécharger pour continuer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>It may have been withdrawn. Try again tomorrow.</source>
            <translation>Elle a peut-être été retirée. Réessayez demain.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Tell Me</source>
            <translation>M’informer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>No, Thanks</source>
            <translation>Non merci</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Download</source>
            <translation>Télécharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Skip This Version</source>
            <translation>Ignorer cette version</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Would you like to hear about new versions?</source>
            <translation>Voulez-vous être informé des nouvelles versions ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>The app would check once a week whether there is a new version. It sends only the version that you have, and installs nothing. You can change this in the settings.</source>
            <translation>L’application vérifierait une fois par semaine s’il existe une nouvelle version. Elle n’envoie que la version que vous avez et n’installe rien. Vous pouvez changer cela dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Checking the signature …</source>
            <translation>Vérification de la signature …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Version {version} has been downloaded</source>
            <translation>La version {version} a été téléchargée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>{file} is in your downloads folder, and its signature has been checked. Quit this app before you install it.</source>
            <translation>{file} est dans votre dossier de téléchargements, et sa signature a été vérifiée. Quittez cette application avant de l’installer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>You have version {version}.</source>
            <translation>Vous avez la version {version}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>The download of version {version} failed</source>
            <translation>Le téléchargement de la version {version} a échoué</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>“Download” opens the page of the new version in your browser. The guide says how to check a package.</source>
            <translation>« Télécharger » ouvre la page de la nouvelle version dans votre navigateur. Le guide explique comment vérifier un paquet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/updates.py" />
            <source>Downloading version {version}</source>
            <translation>Téléchargement de la version {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Processor</source>
            <translation>Processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Requests</source>
            <translation>Requêtes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{cores} cores</source>
            <translation>{cores} cœurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{number}/s</source>
            <translation>{number}/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>peak {value}</source>
            <translation>max. {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>No engine</source>
            <translation>Pas de moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Fits</source>
            <translation>Convient</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Tight</source>
            <translation>Juste</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Does not fit</source>
            <translation>Ne convient pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/search_controller.py" />
            <source>Starting …</source>
            <translation>Démarrage…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Choose a folder with texts</source>
            <translation>Choisir un dossier de textes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Choose files with texts</source>
            <translation>Choisir des fichiers de texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Example</source>
            <translation>Exemple</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/text_sources.py" />
            <source>Texts (*.txt *.md *.pdf)</source>
            <translation>Textes (*.txt *.md *.pdf)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/tray.py" />
            <source>Tray menu</source>
            <translation>Menu de la zone de notification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Clear</source>
            <translation>Effacer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>Recommended for this computer</source>
            <translation>Recommandé pour cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>{action}: {name}</source>
            <translation>{action} : {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/best_file_card.py" />
            <source>With pictures: + {size}</source>
            <translation>Avec les images : + {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/cards.py" />
            <source>Lines of the log that show it</source>
            <translation>Lignes du journal qui le montrent</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_attachments.py" />
            <source>Picture: {name}</source>
            <translation>Image : {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_attachments.py" />
            <source>Remove {name}</source>
            <translation>Retirer {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Stop</source>
            <translation>Arrêter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Send</source>
            <translation>Envoyer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Enter</source>
            <translation>Entrée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Editing a message. Everything after it will be replaced.</source>
            <translation>Modification d’un message. Tout ce qui le suit sera remplacé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Model: {model}</source>
            <translation>Modèle : {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>System prompt and temperature</source>
            <translation>Invite système et température</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>changed</source>
            <translation>modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Add pictures</source>
            <translation>Ajouter des images</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Message</source>
            <translation>Message</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_composer.py" />
            <source>Send a message</source>
            <translation>Envoyer un message</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>Untitled</source>
            <translation>Sans titre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>Conversations</source>
            <translation>Conversations</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_list.py" />
            <source>&amp;Rename</source>
            <translation>&amp;Renommer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>You</source>
            <translation>Vous</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>You: {text}</source>
            <translation>Vous : {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Answer</source>
            <translation>Réponse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>shown</source>
            <translation>affiché</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>hidden</source>
            <translation>masqué</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Copy Message</source>
            <translation>Copier le message</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Edit and Ask Again</source>
            <translation>Modifier et redemander</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_message.py" />
            <source>Regenerate</source>
            <translation>Régénérer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_models.py" />
            <source>Default: {model}</source>
            <translation>Par défaut : {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_models.py" />
            <source>Get More Models…</source>
            <translation>Obtenir d’autres modèles…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>Search conversations</source>
            <translation>Rechercher</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>New conversation</source>
            <translation>Nouvelle conversation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>No conversation contains these words.</source>
            <translation>Aucune conversation ne contient ces mots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>Your conversations appear here.</source>
            <translation>Vos conversations apparaissent ici.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/widgets/chat_sidebar.py" />
            <source>{count} files are damaged</source>
            <translation>
                <numerusform>{count} fichiers sont endommagés</numerusform>
                <numerusform>{count} fichiers sont endommagés</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Get a Chat &amp;Model</source>
            <translation>Obtenir un &amp;modèle de chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>What would you like to know?</source>
            <translation>Que voulez-vous savoir ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Your conversations stay on this computer.</source>
            <translation>Vos conversations restent sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>No chat model yet</source>
            <translation>Pas encore de modèle de chat</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Download one that fits this computer, then come back here.</source>
            <translation>Téléchargez-en un qui convient à cet ordinateur, puis revenez ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Explain in simple words how a language model works.</source>
            <translation>Explique simplement comment fonctionne un modèle de langage.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Write a polite e-mail that moves a meeting to next week.</source>
            <translation>Rédige un e-mail poli pour reporter une réunion à la semaine prochaine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_start.py" />
            <source>Suggest three dinners with rice and vegetables.</source>
            <translation>Propose trois dîners avec du riz et des légumes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Conversation</source>
            <translation>Conversation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Jump to the end</source>
            <translation>Aller à la fin</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_transcript.py" />
            <source>Copy Selection</source>
            <translation>Copier la sélection</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_view.py" />
            <source>This message has no answer</source>
            <translation>Ce message n’a pas de réponse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/chat_view.py" />
            <source>The answer failed, or was stopped before it began.</source>
            <translation>La réponse a échoué ou a été arrêtée avant de commencer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Copy Code</source>
            <translation>Copier le code</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Code: {language}</source>
            <translation>Code : {language}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Code</source>
            <translation>Code</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/code_block.py" />
            <source>Copy</source>
            <translation>Copier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/collection_bar.py" />
            <source>Collection</source>
            <translation>Collection</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/collection_bar.py" />
            <source>Cop&amp;y Code</source>
            <translation>Copier le c&amp;ode</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/comparison.py" />
            <source>Similar texts are near each other.</source>
            <translation>Les textes semblables sont proches les uns des autres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Sa&amp;ve…</source>
            <translation>Enre&amp;gistrer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Vect&amp;or</source>
            <translation>&amp;Vecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors as &amp;JSON</source>
            <translation>Textes et vecteurs en &amp;JSON</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;curl</source>
            <translation>Requête pour &amp;curl</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;Python</source>
            <translation>Requête pour &amp;Python</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;4D</source>
            <translation>Requête pour &amp;4D</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Si&amp;milarity</source>
            <translation>Si&amp;milarité</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Save the results</source>
            <translation>Enregistrer les résultats</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors</source>
            <translation>Textes et vecteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Table</source>
            <translation>Tableau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>NumPy, vectors only</source>
            <translation>NumPy, vecteurs seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Loaded models</source>
            <translation>Modèles chargés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload</source>
            <translation>Décharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Keep Loaded</source>
            <translation>Garder chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>default</source>
            <translation>par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss</source>
            <translation>Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Load {model}</source>
            <translation>Charger {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss: {model}</source>
            <translation>Fermer : {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload {model}</source>
            <translation>Décharger {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>More for {model}</source>
            <translation>Plus d’actions pour {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Kept loaded</source>
            <translation>Gardé chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Discover Other M&amp;odels</source>
            <translation>Découvrir d’autres &amp;modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Similarity of the texts</source>
            <translation>Similarité des textes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>The nearest of {count} texts are {first} and {second}: {value}</source>
            <translation>Les plus proches des {count} textes sont {first} et {second} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Text {first} and text {second}: {value}</source>
            <translation>Texte {first} et texte {second} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latencies of the requests</source>
            <translation>Latences des requêtes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latency (ms)</source>
            <translation>Latence (ms)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>{count} requests from {low} to {high} ms</source>
            <translation>{count} requêtes de {low} à {high} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>{score}, {origin}: {text}</source>
            <translation>{score}, {origin} : {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>Texts that were found</source>
            <translation>Textes trouvés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>&amp;Open File</source>
            <translation>&amp;Ouvrir le fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>Show in &amp;Folder</source>
            <translation>Afficher dans le &amp;dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/hit_list.py" />
            <source>&amp;Copy Text</source>
            <translation>&amp;Copier le texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate</source>
            <translation>Générer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove</source>
            <translation>Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate: {title}</source>
            <translation>Générer : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Copy: {title}</source>
            <translation>Copier : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep</source>
            <translation>Conserver</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep: {title}</source>
            <translation>Conserver : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove: {title}</source>
            <translation>Supprimer : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/log_table.py" />
            <source>Time</source>
            <translation>Heure</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/markdown.py" />
            <source>[Picture: {name}]</source>
            <translation>[Image : {name}]</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>{title}:</source>
            <translation>{title} :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>⚠ {warning}</source>
            <translation>⚠ {warning}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/more_button.py" />
            <source>More</source>
            <translation>Plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/more_button.py" />
            <source>More: {name}</source>
            <translation>Plus : {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Al&amp;low</source>
            <translation>A&amp;utoriser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>&amp;Refuse</source>
            <translation>Re&amp;fuser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Allow {origin}</source>
            <translation>Autoriser {origin}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Refuse {origin}</source>
            <translation>Refuser {origin}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Save the picture</source>
            <translation>Enregistrer l’image</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Picture (*.png)</source>
            <translation>Image (*.png)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Drawing (*.svg)</source>
            <translation>Dessin vectoriel (*.svg)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Plot of the vector</source>
            <translation>Graphique du vecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension</source>
            <translation>Dimension</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Value</source>
            <translation>Valeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>{count} values from {low} to {high}</source>
            <translation>{count} valeurs de {low} à {high}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension {index}: {value}</source>
            <translation>Dimension {index} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/question_field.py" />
            <source>Ask a question, or describe what you are looking for</source>
            <translation>Posez une question ou décrivez ce que vous cherchez</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/question_field.py" />
            <source>Question</source>
            <translation>Question</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_news.py" />
            <source>The model has changed</source>
            <translation>Le modèle a changé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_news.py" />
            <source>&amp;Embed Again</source>
            <translation>Re&amp;calculer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_results.py" />
            <source>Ask a question</source>
            <translation>Posez une question</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_results.py" />
            <source>The texts that are nearest to it in meaning appear here, whatever words they use.</source>
            <translation>Les textes dont le sens est le plus proche apparaissent ici, quels que soient leurs mots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Choose &amp;Folder…</source>
            <translation>Choisir un &amp;dossier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Choose F&amp;iles…</source>
            <translation>Choisir des &amp;fichiers…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Try with an &amp;Example</source>
            <translation>Essayer avec un &amp;exemple</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Drop a folder or files here</source>
            <translation>Déposez un dossier ou des fichiers ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/search_start.py" />
            <source>Text, Markdown and PDF files can then be searched by their meaning. Everything stays on this computer.</source>
            <translation>Cherchez ensuite par le sens dans des fichiers texte, Markdown et PDF. Tout reste sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Server</source>
            <translation>Serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Address</source>
            <translation>Adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Copy the address or an example</source>
            <translation>Copier l’adresse ou un exemple</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Open Em&amp;beddings</source>
            <translation>Ouvrir les em&amp;beddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Downloading {name}</source>
            <translation>Téléchargement de {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Stop Server</source>
            <translation>Arrêter le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_card.py" />
            <source>Start Server</source>
            <translation>Démarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/server_line.py" />
            <source>Choose a Mode&amp;l</source>
            <translation>Choisir un modè&amp;le</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Never</source>
            <translation>Jamais</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>No limit</source>
            <translation>Aucune limite</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset to default</source>
            <translation>Rétablir la valeur par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset: {title}</source>
            <translation>Réinitialiser : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Same as for all models: {title}</source>
            <translation>Comme pour tous les modèles : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Same as Model</source>
            <translation>Comme Modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse…</source>
            <translation>Parcourir…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse for: {title}</source>
            <translation>Parcourir : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Search settings</source>
            <translation>Rechercher un paramètre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Advanced</source>
            <translation>Avancé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Advanced: {group}</source>
            <translation>Avancé : {group}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Clear Search</source>
            <translation>Effacer la recherche</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>No settings found</source>
            <translation>Aucun paramètre trouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Try another word, or look through the groups at the left.</source>
            <translation>Essayez un autre mot, ou parcourez les groupes à gauche.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>Groups of settings</source>
            <translation>Groupes de paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_groups.py" />
            <source>{count} settings found</source>
            <translation>{count} paramètres trouvés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_list.py" />
            <source>Command line</source>
            <translation>Ligne de commande</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_list.py" />
            <source>What the app runs with these settings</source>
            <translation>Ce que l’application exécute avec ces paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_rows.py" />
            <source>More about: {title}</source>
            <translation>En savoir plus : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>All models</source>
            <translation>Tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings for</source>
            <translation>Paramètres pour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>For all models, or for one that is to have its own.</source>
            <translation>Pour tous les modèles, ou pour un seul qui aura les siens.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings &amp;for:</source>
            <translation>Paramètres &amp;pour :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>{name} (not installed)</source>
            <translation>{name} (non installé)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/text_map.py" />
            <source>Map of the texts</source>
            <translation>Carte des textes</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/widgets/text_map.py" />
            <source>{count} of them were found</source>
            <translation>
                <numerusform>{count} a été trouvé</numerusform>
                <numerusform>{count} ont été trouvés</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>Last two minutes</source>
            <translation>Deux dernières minutes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>Activity</source>
            <translation>Activité</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>No.</source>
            <translation>N°</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>Text</source>
            <translation>Texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>Norm</source>
            <translation>Norme</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/vector_view.py" />
            <source>First values</source>
            <translation>Premières valeurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Pages</source>
            <translation>Pages</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Settin&amp;gs…</source>
            <translation>&amp;Paramètres…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Embeddings</source>
            <translation>Embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Engines</source>
            <translation>Moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Logs</source>
            <translation>Journaux</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Built-in test model</source>
            <translation>Modèle de test intégré</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Comes with the app to check the installation. Its answers have no meaning.</source>
            <translation>Fourni avec l’application pour vérifier l’installation ; ses réponses ne veulent rien dire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Sparse 7B model for embeddings and text completion, in 4 bits.</source>
            <translation>Modèle creux 7B pour les embeddings et la complétion de texte, en 4 bits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>The same model in full precision, for computers with a lot of memory.</source>
            <translation>Le même modèle en pleine précision, pour les ordinateurs qui ont beaucoup de mémoire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for chat, in 4 bits.</source>
            <translation>Bamboo 7B entraîné pour le chat, en 4 bits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for chat, in full precision.</source>
            <translation>Bamboo 7B entraîné pour le chat, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 7B made sparse, in full precision.</source>
            <translation>Llama 2 7B rendu creux, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 13B made sparse, in full precision.</source>
            <translation>Llama 2 13B rendu creux, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 70B made sparse, in 4 bits.</source>
            <translation>Llama 2 70B rendu creux, en 4 bits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Falcon 40B made sparse, in 4 bits. You need to accept its terms on Hugging Face.</source>
            <translation>Falcon 40B rendu creux, en 4 bits. Vous devez accepter ses conditions sur Hugging Face.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages, also of long texts. No prefixes needed.</source>
            <translation>Embeddings dans plus de 100 langues, aussi pour les textes longs. Aucun préfixe nécessaire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of code and of texts in more than 100 languages. Best results, but slower than others.</source>
            <translation>Embeddings de code et de textes dans plus de 100 langues. Meilleurs résultats de recherche, mais plus lent que les autres.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages. Small and fast.</source>
            <translation>Embeddings dans plus de 100 langues. Petit et rapide.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages. Each text needs a prefix.</source>
            <translation>Embeddings de textes courts dans une centaine de langues. Chaque texte a besoin d’un préfixe.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages, on any computer.</source>
            <translation>Embeddings de textes courts dans une centaine de langues, sur tout ordinateur.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 2048 tokens. Each text needs a prefix.</source>
            <translation>Embeddings de textes anglais jusqu’à 2048 tokens. Chaque texte a besoin d’un préfixe.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 512 tokens. Small and fast.</source>
            <translation>Embeddings de textes anglais jusqu’à 512 tokens. Petit et rapide.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Rates how well texts answer a question, in more than 100 languages.</source>
            <translation>Évalue si des textes répondent à une question, dans plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that thinks before it answers, uses tools and knows more than 100 languages.</source>
            <translation>Un modèle de chat qui réfléchit avant de répondre, utilise des outils et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that answers without thinking first and knows more than 140 languages.</source>
            <translation>Un modèle de chat qui répond sans réflexion préalable et connaît plus de 140 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Half the size of Qwen3 8B. Thinks before it answers, uses tools and knows more than 100 languages.</source>
            <translation>Deux fois plus petit que Qwen3 8B. Il réfléchit avant de répondre, utilise des outils et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A 3B chat model for everyday work in twelve languages. Uses tools.</source>
            <translation>Un modèle de chat de 3B pour le travail quotidien en douze langues. Utilise des outils.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A 3B chat model for six European languages that can think before it answers.</source>
            <translation>Un modèle de chat de 3B pour six langues européennes, qui peut réfléchir avant de répondre.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that thinks before it answers and knows more than 100 languages.</source>
            <translation>Un petit modèle de chat qui réfléchit avant de répondre et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model for English.</source>
            <translation>Un petit modèle de chat en anglais.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that understands pictures.</source>
            <translation>Un petit modèle de chat qui comprend les images.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A tiny chat model for any computer. Knows many languages but few facts.</source>
            <translation>Un tout petit modèle de chat pour tout ordinateur. Connaît beaucoup de langues mais peu de faits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A tiny English chat model that answers instantly on any computer. Not very clever.</source>
            <translation>Un tout petit modèle de chat en anglais, qui répond aussitôt sur tout ordinateur. Pas très malin.</translation>
        </message>
    </context>
</TS>
